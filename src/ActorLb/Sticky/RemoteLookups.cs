using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Sticky;

/// <summary>
/// Lookups that another node answers: asked of the owner, after 30 ms of silence read from the replica, after 100 ms given up. A call
/// never waits for another one, and its deadline holds whatever the peers do.
/// </summary>
internal sealed class RemoteLookups(RegionContext context, Func<int, RegionShard> shards)
{
    private const long RetryMilliseconds = 5;

    /// <summary>Twice the clock's step: it is late only past that.</summary>
    private const long StepMilliseconds = 10;

    /// <summary>
    /// A deadline is there for peers that are silent. While this very node, or its thread pool, got no time from its machine, or stood
    /// still to collect garbage, the answer lay in its sockets unread; so much of a call's age does not count, and no more.
    /// </summary>
    private const long MaxLateMilliseconds = 300;

    private readonly PendingCalls _calls = new();
    private readonly Fallbacks _fallbacks = new(context, shards);

    // The clock's alone.
    private long _tickedAt;

    public int Active => _calls.Active;

    public void Remember(ulong h, BackendRef backend) => _fallbacks.Remember(h, backend);

    /// <summary>Begins a lookup.</summary>
    /// <returns>True when it fell back at once, with the answer; false when the waiter will hear.</returns>
    public bool Begin(
        PeerFrameType type, PeerCallFlags flags, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter,
        ulong ticket, out StickyAnswer answer)
    {
        var view = context.View;
        var now = context.Clock.Milliseconds;
        var call = CanAsk(view, context.ShardOf(h), now) ? _calls.Rent() : null;
        if (call is null)
        {
            answer = _fallbacks.Answer(h, expected);
            context.Counters.Count(StickyOutcome.Fallback);
            return true;
        }

        bool done;
        lock (call.Gate)
        {
            call.Id = PendingCalls.NextId(call.Id);
            call.Begin(type, flags, h, expected, proposals, waiter, ticket, now);
            done = Attempt(call, view, now, out answer) && Finish(call, answer, tell: false);
        }

        if (done)
        {
            _calls.Return(call);
        }
        else
        {
            context.Wake?.Invoke();
        }

        return done;
    }

    /// <summary>Deadlines, hedges and retries; every 5 ms while calls are under way.</summary>
    public void Tick(long now)
    {
        var before = _tickedAt;
        _tickedAt = now;
        if (_calls.Active == 0)
        {
            return;
        }

        var view = context.View;
        var made = _calls.Made;
        for (var i = 0; i < made; i++)
        {
            if (_calls.At(i) is { } call)
            {
                Look(call, view, now, before);
            }
        }
    }

    /// <summary>The table changed: whoever waited for that tries again.</summary>
    public void OnAdopted()
    {
        var made = _calls.Made;
        var view = context.View;
        var now = context.Clock.Milliseconds;
        for (var i = 0; i < made && _calls.Active > 0; i++)
        {
            if (_calls.At(i) is { } call)
            {
                lock (call.Gate)
                {
                    // Another replica now, perhaps.
                    call.RetryAt = now;
                    call.Hedged = false;
                    call.HedgeMissed = false;
                }

                Look(call, view, now, lastLook: now);
            }
        }
    }

    /// <returns>Whether somebody still waited for it.</returns>
    public bool OnReply(IPeerLink link, in PeerFrameHeader header, in PeerReply reply)
    {
        var call = _calls.Find(header.RequestId);
        if (call is null)
        {
            return false;
        }

        var now = context.Clock.Milliseconds;
        StickyAnswer answer;
        bool done;
        lock (call.Gate)
        {
            if (!call.IsActive || call.Id != header.RequestId)
            {
                return false;
            }

            done = Judge(call, link, header, reply, now, out answer);
            done = done && Finish(call, answer, tell: true);
        }

        if (done)
        {
            _calls.Return(call);
        }

        return true;
    }

    /// <summary>Every lookup under way falls back: the node stops.</summary>
    public void GiveUpAll()
    {
        for (var i = 0; i < _calls.Made; i++)
        {
            if (_calls.At(i) is { } call && End(call))
            {
                _calls.Return(call);
            }
        }

        bool End(PendingCall call)
        {
            lock (call.Gate)
            {
                return call.IsActive && Finish(call, _fallbacks.Answer(call), tell: true);
            }
        }
    }

    /// <param name="lastLook">When the clock came by before.</param>
    private void Look(PendingCall call, RegionView view, long now, long lastLook)
    {
        var done = false;
        lock (call.Gate)
        {
            if (!call.IsActive)
            {
                return;
            }

            var stuck = context.PoolOwesSince != 0 && now - context.PoolOwesSince > StepMilliseconds;
            var late = now - Math.Max(lastLook, call.Started) - (stuck ? 0 : StepMilliseconds);
            if (late > 0)
            {
                call.Late = Math.Min(call.Late + late, MaxLateMilliseconds);
            }

            var age = now - call.Started - call.Late;
            StickyAnswer answer;
            if (age >= context.Settings.FallbackMilliseconds)
            {
                answer = LastWord(call, view);
                done = true;
            }
            else
            {
                answer = default;
                done = now >= call.RetryAt && Attempt(call, view, now, out answer);
                done = done || (!call.Hedged && age >= context.Settings.HedgeMilliseconds && Hedge(call, view, out answer));
            }

            done = done && Finish(call, answer, tell: true);
        }

        if (done)
        {
            _calls.Return(call);
        }
    }

    /// <summary>Asks the owner, or does it here when this node is the owner by now. Under the call's lock.</summary>
    private bool Attempt(PendingCall call, RegionView view, long now, out StickyAnswer answer)
    {
        var number = context.ShardOf(call.H);
        var seats = view.Seats(number);
        call.RetryAt = now + RetryMilliseconds;
        answer = default;
        if (seats.Owner == view.Self && view.Self >= 0)
        {
            return AttemptHere(call, shards(number), out answer);
        }

        var owner = seats.Owner >= 0 ? view.Peers[seats.Owner] : null;
        if (owner is not null && TrySend(call, owner, view.Map.Epoch, number, now))
        {
            call.RetryAt = long.MaxValue;
            return false;
        }

        if (!call.Hedged && Hedge(call, view, out answer))
        {
            return true;
        }

        // Nobody left who could know, and no sign that waiting would change that.
        if (call.HedgeMissed || !CanAsk(view, number, now))
        {
            answer = _fallbacks.Answer(call);
            return true;
        }

        return false;
    }

    private bool AttemptHere(PendingCall call, RegionShard shard, out StickyAnswer answer)
    {
        answer = default;
        Span<BackendRef> proposals = stackalloc BackendRef[PeerLookup.MaxProposals];
        var count = call.Proposals.Length;
        for (var i = 0; i < count; i++)
        {
            proposals[i] = BackendRef.FromValue(call.Proposals[i]);
        }

        lock (shard.Gate)
        {
            if (!shard.Serves)
            {
                return false;
            }

            var result = ShardCalls.Execute(
                shard, context, call.Type, call.Flags, call.H, BackendRef.FromValue(call.Expected), proposals[..count]);
            answer = new StickyAnswer(result.Backend, StickyOutcome.Local, result.Status == LookupStatus.Assigned);
            return true;
        }
    }

    private bool TrySend(PendingCall call, PeerCalls peer, ulong epoch, int shard, long now)
    {
        if (!peer.TryBegin(now))
        {
            return false;
        }

        call.CountedAt?.End();
        call.CountedAt = peer;
        Span<byte> frame = stackalloc byte[PeerLookup.MaxSize];
        var n = PeerLookup.Write(
            frame, new PeerFrameHeader(call.Type, (byte)call.Flags, (ushort)shard, call.Id, epoch), call.H, call.Expected, call.Proposals);
        return peer.Link.Send(frame[..n], PeerLane.Calls);
    }

    /// <summary>Reads the replica. A move is the owner's alone.</summary>
    private bool Hedge(PendingCall call, RegionView view, out StickyAnswer answer)
    {
        answer = default;
        var number = context.ShardOf(call.H);
        var seats = view.Seats(number);
        if (call.Type != PeerFrameType.GetOrAssign || seats.Replica < 0)
        {
            call.HedgeMissed = call.Type == PeerFrameType.GetOrAssign;
            return false;
        }

        if (seats.Replica == view.Self)
        {
            var (status, backend) = ShardCalls.Peek(shards(number), context, call.H, view.Map.Epoch);

            // While the next table is being put in force there is no answer yet; that table brings the call back here.
            call.Hedged = status != PeerStatus.StaleEpoch;
            call.HedgeMissed = call.Hedged && backend.IsNone;
            call.IsUnknown = status == PeerStatus.None;
            answer = new StickyAnswer(backend, StickyOutcome.Hedge, false);
            return !backend.IsNone;
        }

        call.Hedged = true;
        Span<byte> frame = stackalloc byte[PeerLookup.MaxSize];
        var flags = PeerCallFlags.Hedge;
        var n = PeerLookup.Write(
            frame, new PeerFrameHeader(PeerFrameType.GetOrAssign, (byte)flags, (ushort)number, call.Id, view.Map.Epoch), call.H, 0, default);
        call.HedgeMissed = view.Peers[seats.Replica] is not { } replica || !replica.Link.Send(frame[..n], PeerLane.Calls);
        return false;
    }

    /// <summary>What an answer means. Under the call's lock.</summary>
    private bool Judge(PendingCall call, IPeerLink link, in PeerFrameHeader header, in PeerReply reply, long now, out StickyAnswer answer)
    {
        answer = default;
        var hedge = (header.CallFlags & PeerCallFlags.Hedge) != PeerCallFlags.None;
        switch (reply.Status)
        {
            case PeerStatus.Ok or PeerStatus.New:
                var backend = BackendRef.FromValue(reply.Backend);
                if (!backend.IsNone && !context.Slots.IsKept(backend))
                {
                    if (call.Proposals.Length > 0)
                    {
                        return Move(call, backend, hedge, now, out answer);
                    }

                    backend = BackendRef.None;
                }

                answer = new StickyAnswer(backend, hedge ? StickyOutcome.Hedge : StickyOutcome.Remote, reply.Status == PeerStatus.New);
                return true;
            case PeerStatus.None when hedge:
                call.HedgeMissed = true;
                call.IsUnknown = true;
                return false;
            case PeerStatus.None:
                answer = new StickyAnswer(BackendRef.None, StickyOutcome.Remote, false);
                return true;
            case PeerStatus.Overload:
                answer = _fallbacks.Answer(call);
                return true;
            case PeerStatus.WrongOwner or PeerStatus.StaleEpoch or PeerStatus.NotReady:
                context.Reconcile(link, header.Epoch);
                if (!hedge)
                {
                    call.RetryAt = now + RetryMilliseconds;
                }
                else if (reply.Status == PeerStatus.StaleEpoch)
                {
                    // It has not said whether it knows the client: it is asked again until the tables are the same.
                    call.Hedged = false;
                }
                else
                {
                    call.HedgeMissed = true;
                }

                return false;
            default:
                return false;
        }
    }

    /// <summary>This node knows already that the backend is gone or in maintenance: the owner has to move the client, once.</summary>
    private bool Move(PendingCall call, BackendRef stale, bool hedge, long now, out StickyAnswer answer)
    {
        answer = default;
        if (hedge)
        {
            call.HedgeMissed = true;
            return false;
        }

        if (call.Moved)
        {
            answer = _fallbacks.Answer(call);
            return true;
        }

        call.Moved = true;
        call.Type = PeerFrameType.Reassign;
        call.Expected = stale.Value;
        return Attempt(call, context.View, now, out answer);
    }

    private bool CanAsk(RegionView view, int shard, long now)
    {
        var seats = view.Seats(shard);
        bool Reachable(short node) => node >= 0 && (node == view.Self || view.Peers[node] is { Link.IsUp: true });
        if (seats.Owner < 0 || (!Reachable(seats.Owner) && !Reachable(seats.Replica)))
        {
            return false;
        }

        return view.Peers[seats.Owner] is not { InFlight: >= PeerCalls.MaxInFlight };
    }

    /// <summary>
    /// The time is up. This node may have come to own the shard meanwhile, or hold its copy: late threads are no reason to send a client
    /// astray.
    /// </summary>
    private StickyAnswer LastWord(PendingCall call, RegionView view)
    {
        var number = context.ShardOf(call.H);
        var seats = view.Seats(number);
        if (seats.Owner == view.Self && view.Self >= 0 && AttemptHere(call, shards(number), out var answer))
        {
            return answer;
        }

        if (call.Type == PeerFrameType.GetOrAssign && view.Self >= 0)
        {
            var (status, here) = ShardCalls.Peek(shards(number), context, call.H, view.Map.Epoch);
            call.IsUnknown |= status == PeerStatus.None;
            if (!here.IsNone)
            {
                return new StickyAnswer(here, StickyOutcome.Hedge, false);
            }
        }

        return _fallbacks.Answer(call);
    }

    /// <summary>Under the call's lock; the caller returns the call afterwards.</summary>
    private bool Finish(PendingCall call, in StickyAnswer answer, bool tell)
    {
        call.IsActive = false;
        call.CountedAt?.End();
        call.CountedAt = null;
        if (answer.Outcome != StickyOutcome.Fallback && !answer.Backend.IsNone)
        {
            _fallbacks.Remember(call.H, answer.Backend);
        }

        context.Counters.Count(answer.Outcome);
        var waiter = call.Waiter!;
        call.Waiter = null;
        if (tell)
        {
            waiter.Complete(call.Ticket, answer);
        }

        return true;
    }
}
