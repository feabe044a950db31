using ActorLb.Balancing;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Sticky;

namespace ActorLb.Hosting;

/// <summary>
/// Closes a backend's sessions a few at a time, wherever they are on the reactors: it goes on where it ended the last time. A reactor's
/// turns are short, so that relayed traffic does not wait. One call at a time.
/// </summary>
internal sealed class SessionSweep(IReadOnlyList<Reactor> reactors, NodeServices services, TimeProvider time)
{
    /// <summary>Slots looked at, and sessions closed, in one turn of a reactor: well under a millisecond.</summary>
    private const int Stretch = 4096, Portion = 32;

    /// <summary>Of each reactor in one call: what a huge rate may take of its time.</summary>
    private const int Turns = 16;

    /// <summary>The map answers within a tenth of this, whatever happens.</summary>
    private static readonly TimeSpan AnswerWait = TimeSpan.FromSeconds(2);

    private readonly Dictionary<Backend, int[]> _places = [];

    /// <summary>Closes them; a sticky client is placed again when it comes back.</summary>
    /// <returns>How many were closed.</returns>
    public Task<int> CloseAsync(Backend backend, int count) => SweepAsync(backend, count, async (reactor, from, portion) =>
    {
        int next = from;
        int closed = await reactor.AskAsync(r =>
        {
            int some = 0;
            next = Look(r, backend, long.MaxValue, from, portion, session =>
            {
                r.Flow.Closer.Drain(session, DisconnectReason.UseAnotherServer, CloseReason.Drained);
                some++;
            });
            return some;
        }).ConfigureAwait(false);
        return (closed, closed, next);
    });

    /// <summary>Closes them for other backends: the map has each client that sticks there before it is closed, or it stays.</summary>
    /// <param name="establishedBefore">Only sessions of before: milliseconds of <see cref="MonotonicTime"/>.</param>
    /// <param name="proposals">Where to, best first; asked for each.</param>
    public Task<int> MoveAsync(Backend backend, int count, long establishedBefore, Func<BackendRef[]> proposals) =>
        SweepAsync(backend, count, async (reactor, from, portion) =>
        {
            int next = from;
            var moves = await reactor.AskAsync(r =>
            {
                var found = new List<Move>();
                next = Look(r, backend, establishedBefore, from, portion, session => found.Add(Begin(session, proposals())));
                return found;
            }).ConfigureAwait(false);
            var ready = new List<ulong>();
            foreach (var move in moves)
            {
                if (await move.IsMovedAsync(AnswerWait, time).ConfigureAwait(false)) ready.Add(move.Ticket);
            }
            int closed = ready.Count == 0 ? 0 : await reactor.AskAsync(r => Close(r, backend, ready)).ConfigureAwait(false);
            return (moves.Count, closed, next);
        });

    /// <param name="some">Gets a reactor, a slot to begin at and how many; returns how many it found, how many it closed, and the slot to go on at.</param>
    private async Task<int> SweepAsync(Backend backend, int count, Func<Reactor, int, int, Task<(int Found, int Closed, int Next)>> some)
    {
        if (!_places.TryGetValue(backend, out int[]? places)) _places.Add(backend, places = new int[reactors.Count]);
        int left = count, first = Random.Shared.Next(Math.Max(1, reactors.Count));
        for (int turn = 0; turn < Turns && left > 0; turn++)
        {
            bool mayBeMore = false;
            for (int i = 0; i < reactors.Count && left > 0; i++)
            {
                int at = (first + i) % reactors.Count;
                var reactor = reactors[at];
                (int found, int closed, places[at]) = await some(reactor, places[at], Math.Min(left, Portion)).ConfigureAwait(false);
                left -= closed;
                mayBeMore |= found > 0 || reactor.Slots > Stretch;
            }
            if (!mayBeMore) break;
        }
        return count - left;
    }

    /// <returns>The slot to go on at.</returns>
    private static int Look(Reactor reactor, Backend backend, long establishedBefore, int from, int portion, Action<Session> found)
    {
        int slot = from < reactor.Slots ? from : 0;
        int end = Math.Min(reactor.Slots, slot + Stretch);
        for (; slot < end && portion > 0; slot++)
        {
            if (reactor.SessionAt(slot) is not { } session || !IsOf(session, backend) || session.EstablishedAt >= establishedBefore) continue;
            found(session);
            portion--;
        }
        return slot;
    }

    private static bool IsOf(Session session, Backend backend) => session is { Phase: Phase.Relay, Leaving: false } && session.Backend == backend;

    private Move Begin(Session session, BackendRef[] proposals)
    {
        var move = new Move(session.Ticket, session.StickyBackend);
        if (!session.StickyOpened) move.Complete(0, new StickyAnswer(BackendRef.None, StickyOutcome.Local, IsNew: false));
        else if (services.Sticky.Reassign(session.StickyHash, session.StickyBackend, proposals, move, session.Ticket, out var answer)) move.Complete(0, answer);
        move.Sticks = session.StickyOpened;
        return move;
    }

    /// <summary>Those that are still there.</summary>
    private static int Close(Reactor reactor, Backend backend, List<ulong> tickets)
    {
        int closed = 0;
        foreach (ulong ticket in tickets)
        {
            if (reactor.Find(ticket) is not { } session || !IsOf(session, backend)) continue;
            reactor.Flow.Closer.Drain(session, DisconnectReason.UseAnotherServer, CloseReason.Rebalanced);
            closed++;
        }
        return closed;
    }

    private sealed class Move(ulong ticket, BackendRef from) : IStickyWaiter
    {
        private readonly TaskCompletionSource<StickyAnswer> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ulong Ticket => ticket;

        public bool Sticks { get; set; }

        public void Complete(ulong ticket, in StickyAnswer answer) => _answer.TrySetResult(answer);

        /// <summary>False where the map kept it, or who owns its shard does not answer: then it would come back to where it is.</summary>
        public async Task<bool> IsMovedAsync(TimeSpan wait, TimeProvider time)
        {
            try
            {
                var answer = await _answer.Task.WaitAsync(wait, time).ConfigureAwait(false);
                return !Sticks || (answer.Outcome != StickyOutcome.Fallback && !answer.Backend.IsNone && answer.Backend != from);
            }
            catch (TimeoutException)
            {
                return false;
            }
        }
    }
}
