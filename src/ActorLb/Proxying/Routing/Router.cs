using System.Buffers;
using System.Diagnostics;
using System.Numerics;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Intake;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Sticky;

namespace ActorLb.Proxying.Routing;

/// <summary>Chooses the backend of a session: by the pool's policy, or by the sticky map with the policy as its adviser. Asked again
/// after a failed try.</summary>
internal sealed class Router(NodeServices services, SessionCloser closer)
{
    /// <summary>Backends proposed to the sticky map for a client that it does not know, best first.</summary>
    private const int Proposals = 3;

    /// <summary>No dial is cut short below this (milliseconds): far hosts, and a SYN that has to be sent again, take so long.</summary>
    private const int ShortestDial = 1_500;

    /// <summary>What a backend that is found failing gets of a client's time, should the finding be wrong (milliseconds).</summary>
    private const int GraceTry = 1_000;

    public Dialer Dialer { private get; set; } = null!;

    /// <summary>The CONNECT is complete (or the listener is plain TCP): chooses and dials.</summary>
    public void Start(Reactor reactor, Session session)
    {
        reactor.Counters.Requests++;
        session.Setup!.FirstTryAt = reactor.Now;
        session.Setup.ConnectStamp = Stopwatch.GetTimestamp();
        SessionCloser.MoveTo(reactor, session, Phase.Routing);
        Choose(reactor, session);
    }

    /// <summary>A backend failed the session: goes to the next within tries and time, else refuses.</summary>
    public void TryNext(Reactor reactor, Session session, CloseReason failure)
    {
        Setup setup = session.Setup!;
        RetryOptions retry = session.Pool.Options.Retry;
        closer.LeaveBackend(reactor, session);
        setup.LastFailure = failure;
        session.Trace?.Step("backend_failed", CloseReasons.Text(failure));
        setup.ReplyLength = 0;
        setup.TryEnds = 0;
        bool timeLeft = reactor.Now - setup.FirstTryAt < retry.Timeout.TotalMilliseconds;
        if (setup.Committed || setup.TriedCount >= Math.Min(retry.Tries, Setup.MaxTries) || !timeLeft)
        {
            GiveUp(reactor, session);
            return;
        }
        reactor.Counters.Retries++;
        SessionCloser.MoveTo(reactor, session, Phase.Routing);
        Choose(reactor, session);
    }

    /// <summary>No backend can be dialled from here at present: refuses, without a try more.</summary>
    public void GiveUp(Reactor reactor, Session session, CloseReason failure)
    {
        closer.LeaveBackend(reactor, session);
        if (failure is CloseReason.QueueFull or CloseReason.QueueTimeout) services.Refused.TurnedAway(session, failure);
        session.Setup!.LastFailure = failure;
        GiveUp(reactor, session);
    }

    /// <summary>It is the turn of a session that waits. Where it has none after all, it keeps its place.</summary>
    public void Resume(Reactor reactor, Session session)
    {
        if (session.IsSticky) Go(reactor, session, services.Backends.Find(session.StickyBackend), isNew: session.StickyMadeAt != 0);
        else Choose(reactor, session);
    }

    /// <summary>Something of a waiting client's has come: one that has left, and said nothing behind its CONNECT, is dropped.</summary>
    public void LookAtWaiting(Reactor reactor, Session session)
    {
        if (HasLeft(session)) closer.Close(reactor, session, CloseReason.ClientGone);
    }

    /// <summary>Whether a session may go to a backend that it waits for, once that has room.</summary>
    public static bool MayTake(Reactor reactor, Session session, Backend backend)
    {
        bool isNew = !session.IsSticky || session.StickyMadeAt != 0;
        return ReferenceEquals(backend, session.Setup!.Trial) || backend.IsEligible(reactor.Now, isNew)
            || (!isNew && backend.HasGrace(reactor.Now, GraceOf(session)));
    }

    /// <summary>Counts a failure of the session's backend, but for one that said AUTH: it lives, and the client may be to blame.</summary>
    /// <param name="reason">For people: what the backend did, or did not do.</param>
    public static void Blame(Reactor reactor, Session session, string reason)
    {
        session.Traffic.ConnectFailures++;
        session.Backend!.History.Failed(reason);
        if (!session.Setup!.Committed) session.Backend!.ReportFailure(reactor.Now, connected: session.Phase > Phase.Dialing);
    }

    /// <summary>
    /// The session's backend closed before its CONNACK: over its connection rate, going down, or because it cannot bear this very
    /// CONNECT. One that answers others is not failing; of the rest is said so once another backend has answered the same CONNECT, or a
    /// single client could have all of them out. Where no other is ever asked, it is said at once.
    /// </summary>
    /// <param name="reason">For people: what the backend did.</param>
    public static void Suspect(Reactor reactor, Session session, string reason)
    {
        Setup setup = session.Setup!;
        session.Traffic.ConnectFailures++;
        session.Backend!.History.Failed(reason);
        if (setup.Committed || session.Backend.HasAnsweredLately(reactor.Now)) return;
        if (session.Pool.Options.Retry.Tries == 1) session.Backend.ReportFailure(reactor.Now);
        else setup.Suspects |= 1U << (setup.TriedCount - 1);
    }

    /// <summary>A backend answered the CONNECT: those that closed on it before have failed.</summary>
    public static void Convict(Reactor reactor, Setup setup)
    {
        for (uint left = setup.Suspects; left != 0; left &= left - 1)
        {
            setup.Tried[BitOperations.TrailingZeroCount(left)].ReportFailure(reactor.Now);
        }
        setup.Suspects = 0;
    }

    /// <summary>
    /// How long a dial may take (milliseconds): connect-timeout; while there is another backend to go to, only this try's part of
    /// it (or of the time left for retries, if that is less), for a host that is gone would use up all of it. A time too short to be
    /// parted is left whole. A try by grace has its own end.
    /// </summary>
    public static long DialTime(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        PoolOptions options = session.Pool.Options;
        if (setup.TryEnds != 0) return Math.Max(1, setup.TryEnds - reactor.Now);
        double limit = options.ConnectTimeout.TotalMilliseconds;
        int triesLeft = Math.Min(options.Retry.Tries, Setup.MaxTries) - setup.TriedCount + 1;
        if (triesLeft <= 1 || !HasAnother(reactor, session)) return (long)limit;
        double timeLeft = Math.Min(limit, options.Retry.Timeout.TotalMilliseconds - (reactor.Now - setup.FirstTryAt));
        return timeLeft <= ShortestDial ? (long)limit : (long)Math.Min(limit, Math.Max(timeLeft / triesLeft, ShortestDial));
    }

    /// <summary>How long a connected backend may take for its CONNACK (milliseconds).</summary>
    public static long GreetingTime(Reactor reactor, Session session) =>
        session.Setup!.TryEnds != 0 ? Math.Max(1, session.Setup.TryEnds - reactor.Now) : (long)session.Pool.Options.ConnectTimeout.TotalMilliseconds;

    /// <summary>The sticky map's answer to a question that had to wait.</summary>
    public void Answered(Reactor reactor, Session session, in StickyAnswer answer)
    {
        reactor.ClearDeadline(session);
        session.Setup!.Withdraw();
        Take(reactor, session, answer);
    }

    private void Choose(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        bool sticky = session.Pool.Options.Balance == BalanceKind.Sticky && session.IsMqtt && session.ClientId!.Length > 0;
        if (sticky)
        {
            AskSticky(reactor, session);
            return;
        }
        bool paced = session.Pool.Options.ConnectsPerSecond > 0;
        // Whose key has a backend of its own waits for that one, whether others have room or not.
        bool bound = paced && Pool.PlacingKind(session.Pool.Options) is BalanceKind.Hash or BalanceKind.IpHash;
        if (Acquire(reactor, session, RoomFor(session, paced), bound, out Backend? full) is { } picked) Dial(reactor, session, picked);
        else if (full is not null) Wait(reactor, session, full);
        else if (paced && !bound && HasAnother(reactor, session)) Wait(reactor, session, null);
        else GiveUp(reactor, session);
    }

    private void Dial(Reactor reactor, Session session, Backend backend)
    {
        LeaveQueue(reactor, session);
        Dialer.Dial(reactor, session, backend);
    }

    /// <summary>Has the session wait for a backend's next token, or for any backend's.</summary>
    private void Wait(Reactor reactor, Session session, Backend? backend)
    {
        Setup setup = session.Setup!;
        if (setup.IsQueued && setup.WaitsFor == backend) return;
        if (HasLeft(session))
        {
            closer.Close(reactor, session, CloseReason.ClientGone);
            return;
        }
        LeaveQueue(reactor, session);
        long left = (long)session.Pool.Options.ConnectQueue.Timeout.TotalMilliseconds - setup.Waited;
        if (left <= 0 || (setup.Ticket == 0 && IsFull(reactor, session, backend)))
        {
            GiveUp(reactor, session, left <= 0 ? CloseReason.QueueTimeout : CloseReason.QueueFull);
            return;
        }
        reactor.Queue.Enter(session, backend, services.Reactors);
        setup.Await(backend);
        SessionCloser.MoveTo(reactor, session, Phase.Queued);
        reactor.SetDeadline(session, reactor.Now + left);
    }

    private static void LeaveQueue(Reactor reactor, Session session)
    {
        if (!session.Setup!.IsQueued) return;
        reactor.Queue.Leave(session);
        SessionCloser.MoveTo(reactor, session, Phase.Routing);
    }

    /// <summary>The bound is by backend; for clients that wait for any, that of all that take clients.</summary>
    private static bool IsFull(Reactor reactor, Session session, Backend? backend)
    {
        ConnectQueueOptions options = session.Pool.Options.ConnectQueue;
        if (backend is not null) return backend.Pace.Line.Count >= options.LengthOf(backend.Pace.Share);
        long waiting = session.Pool.Pool.Line.Count, most = 0;
        foreach (Backend one in session.Pool.Pool.Snapshot.Backends)
        {
            waiting += one.Pace.Line.Count;
            if (one.IsEligible(reactor.Now, newClient: true)) most += options.LengthOf(one.Pace.Share);
        }
        return waiting >= most;
    }

    private static bool HasLeft(Session session) =>
        session.IsMqtt && session.Client.Ended && session.Setup!.InboundLength == session.Setup.ConnectLength;

    /// <summary>Where there is room for the session now; the default asks for none.</summary>
    private static Room RoomFor(Session session, bool paced) =>
        !paced ? default : new Room(
            Stopwatch.GetTimestamp(), session.Setup!.Ticket == 0 ? WaitingLine.Nobody : session.Setup.Ticket, session.Pool.Pool.Line.First);

    private static long GraceOf(Session session) => (long)session.Pool.Options.Health.Grace.TotalMilliseconds;

    private static bool HasAnother(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        ReadOnlySpan<Backend> tried = setup.Tried.AsSpan(0, setup.TriedCount);
        foreach (Backend backend in session.Pool.Pool.Snapshot.Backends)
        {
            if (backend.IsEligible(reactor.Now, newClient: true) && !tried.Contains(backend)) return true;
        }
        return false;
    }

    private void AskSticky(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        LeaveQueue(reactor, session);
        if (setup.Questions == 0) session.StickyHash = services.Sticky.Hash(session.Pool.NameUtf8, session.ClientId);
        Span<BackendRef> proposals = stackalloc BackendRef[Proposals];
        int count = Propose(reactor, session, proposals, out Backend? first);
        if (count == 0 && setup.TriedCount > 0)
        {
            GiveUp(reactor, session);
            return;
        }
        StickyAnswer answer;
        bool answered = setup.Questions++ == 0
            ? services.Sticky.GetOrAssign(session.StickyHash, proposals[..count], reactor, session.Ticket, out answer)
            : services.Sticky.Reassign(session.StickyHash, session.StickyBackend, proposals[..count], reactor, session.Ticket, out answer);
        if (answered) Take(reactor, session, answer);
        else setup.Await(first);
    }

    private void Take(Reactor reactor, Session session, in StickyAnswer answer)
    {
        Setup setup = session.Setup!;
        session.StickyBackend = answer.Backend;
        session.StickyOutcome = answer.Outcome;
        session.StickyMadeAt = answer.IsNew ? reactor.Now : 0;
        session.IsSticky = true;
        Backend? mapped = services.Backends.Find(answer.Backend);
        if (answer.Backend.IsNone || (answer.Outcome == StickyOutcome.Fallback && (mapped is null || setup.HasTried(mapped))))
        {
            // Nobody knows: the choice on which every node falls back alike, which the owner learns once it holds.
            mapped = FallBack(reactor, session);
            if (mapped is null)
            {
                GiveUp(reactor, session);
                return;
            }
            session.StickyBackend = BackendDirectory.ReferenceOf(mapped);
            session.StickyOutcome = StickyOutcome.Fallback;
        }
        Go(reactor, session, mapped, answer.IsNew);
    }

    /// <summary>Dials the client's backend, waits for it, or moves the client.</summary>
    /// <param name="isNew">The client was placed there by this very lookup.</param>
    private void Go(Reactor reactor, Session session, Backend? mapped, bool isNew)
    {
        Setup setup = session.Setup!;
        Room room = RoomFor(session, mapped?.Pace.IsOn ?? false);
        bool may = mapped is not null && !setup.HasTried(mapped);
        if (may && room.IsAsked && !room.IsAt(mapped!) && MayTake(reactor, session, mapped!))
        {
            Wait(reactor, session, mapped);
            return;
        }
        bool takes = may && (ReferenceEquals(mapped, setup.Trial)
            || (mapped!.IsEligible(reactor.Now, newClient: isNew) && mapped.TryClaim(reactor.Now)));
        bool byGrace = may && !takes && !isNew && mapped!.HasGrace(reactor.Now, GraceOf(session));
        if (takes || byGrace)
        {
            switch (Take(mapped!, room))
            {
                case Taken.Yes:
                    if (byGrace) setup.TryEnds = reactor.Now + GraceTry;
                    Dial(reactor, session, mapped!);
                    return;
                case Taken.NoToken:
                    // Another reactor was quicker. A trial that was claimed stays this session's.
                    if (takes && !mapped!.IsEligible(reactor.Now, newClient: isNew)) setup.Trial = mapped;
                    Wait(reactor, session, mapped);
                    return;
            }
        }
        // The mapped backend cannot take the client now, or this node's configuration does not have it (any more, or not yet): the
        // client moves. The number of questions is bounded, whatever the answers are.
        if (mapped is not null && !setup.HasTried(mapped) && setup.TriedCount < Setup.MaxTries) setup.Tried[setup.TriedCount++] = mapped;
        if (setup.TriedCount >= Setup.MaxTries || setup.Questions > Setup.MaxTries) GiveUp(reactor, session);
        else AskSticky(reactor, session);
    }

    private static Backend? FallBack(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        Backend[] ranked = reactor.Ranking;
        int found = session.Pool.Pool.Snapshot.Rank(session.StickyHash, reactor.Now, newClient: true, ranked);
        Backend? best = null;
        for (int i = 0; i < found && best is null; i++)
        {
            if (!setup.HasTried(ranked[i])) best = ranked[i];
        }
        Array.Clear(ranked, 0, found);
        return best;
    }

    /// <summary>The policy's choice, then others in the order on which all nodes agree, in case the first is gone when it arrives.</summary>
    private int Propose(Reactor reactor, Session session, Span<BackendRef> into, out Backend? first)
    {
        Setup setup = session.Setup!;
        ReadOnlySpan<Backend> tried = setup.Tried.AsSpan(0, setup.TriedCount);
        Room room = RoomFor(session, session.Pool.Options.ConnectsPerSecond > 0);
        first = (room.IsAsked ? Pick(reactor, session, tried, room) : null) ?? Pick(reactor, session, tried, default);
        if (first is null) return 0;
        // Picked, and yet not eligible any more: the pick claimed its trial.
        if (!first.IsEligible(reactor.Now, newClient: true)) setup.Trial = first;
        into[0] = BackendDirectory.ReferenceOf(first);
        int count = 1;
        Backend[] ranked = reactor.Ranking;
        int found = session.Pool.Pool.Snapshot.Rank(session.StickyHash, reactor.Now, newClient: true, ranked);
        for (int i = 0; i < found && count < into.Length; i++)
        {
            if (ranked[i] != first && !tried.Contains(ranked[i])) into[count++] = BackendDirectory.ReferenceOf(ranked[i]);
        }
        Array.Clear(ranked, 0, found);
        return count;
    }

    private static Backend? Pick(Reactor reactor, Session session, ReadOnlySpan<Backend> tried, Room room)
    {
        Pool pool = session.Pool.Pool;
        Span<byte> address = stackalloc byte[16];
        int length = session.Remote.WriteAddress(address);
        ulong client = KeyHash.OfAddress(address[..length]);
        while (true)
        {
            PoolSnapshot snapshot = pool.Snapshot;
            var context = new PickContext(
                snapshot, Pool.PlacingKind(snapshot.Options) == BalanceKind.Hash ? HashOfKey(session, snapshot.Options.HashKey) : PickContext.NoKey,
                client, reactor.Now, tried) { Room = room };
            // A reload removes backends from under the eyes of who has the snapshot before it: there may be others by now.
            if (pool.Pick(context) is { } picked) return picked;
            if (ReferenceEquals(snapshot, pool.Snapshot)) return null;
        }
    }

    /// <summary>As <see cref="Pick"/>, with a token and a connection of the backend's taken. A backend that fills up in between counts as tried.</summary>
    /// <param name="bound">The policy's choice is to be waited for.</param>
    /// <param name="full">That choice, where it has no room now; the answer is null then.</param>
    private static Backend? Acquire(Reactor reactor, Session session, Room room, bool bound, out Backend? full)
    {
        Setup setup = session.Setup!;
        full = null;
        while (true)
        {
            Backend? picked = Pick(reactor, session, setup.Tried.AsSpan(0, setup.TriedCount), bound ? default : room);
            if (picked is null) return null;
            Taken taken = bound && !room.IsAt(picked) ? Taken.NoToken : Take(picked, room);
            if (taken == Taken.Yes) return picked;
            if (taken == Taken.NoToken)
            {
                full = bound ? picked : null;
                if (bound) return null;
                // Another reactor was quicker: the next pick passes over it.
                continue;
            }
            if (setup.TriedCount == Setup.MaxTries - 1) return null;
            setup.Tried[setup.TriedCount++] = picked;
        }
    }

    private enum Taken { Yes, NoToken, NoPlace }

    private static Taken Take(Backend backend, Room room)
    {
        if (!room.IsAsked) return backend.TryAcquire() ? Taken.Yes : Taken.NoPlace;
        if (!backend.Pace.TryTake(room.Now)) return Taken.NoToken;
        if (backend.TryAcquire()) return Taken.Yes;
        backend.Pace.GiveBack();
        return Taken.NoPlace;
    }

    /// <returns><see cref="PickContext.NoKey"/> of a key whose variables are all empty, or all such clients would go to one backend.</returns>
    private static ulong HashOfKey(Session session, Template key)
    {
        Span<byte> value = stackalloc byte[512];
        int length = Variables.Write(key, session, value, out int empty);
        if (length == 0 || (empty > 0 && empty == key.VariableCount)) return PickContext.NoKey;
        if (length > 0) return KeyHash.Of(value[..length]);
        byte[] large = ArrayPool<byte>.Shared.Rent(Variables.MaxLength * 2);
        length = Math.Max(0, Variables.Write(key, session, large, out _));
        ulong hash = KeyHash.Of(large.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(large);
        return hash;
    }

    private void GiveUp(Reactor reactor, Session session)
    {
        CloseReason reason = session.Setup!.LastFailure == CloseReason.None ? CloseReason.NoBackend : session.Setup.LastFailure;
        if (reason == CloseReason.BackendRefused && session.Setup.LastRefusal is { } refusal)
        {
            closer.Answer(reactor, session, reason, refusal);
            return;
        }
        closer.Refuse(reactor, session, reason, Refusals.For(reason));
    }
}
