using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map.Lookups;

/// <summary>
/// Lookups answered by another node: sent to the owner, after 30 ms also to the replica, given up after 100 ms. Calls don't wait
/// for each other, and a call's deadline holds whatever the other nodes do.
/// </summary>
internal sealed class RemoteLookups
{
    /// <summary>Twice the clock's step; a longer gap counts as delay.</summary>
    private const long StepMilliseconds = 10;

    /// <summary>
    /// The deadline is meant for silent members. While this process or its thread pool stalled (no CPU time, garbage collection),
    /// answers lay unread in its sockets. Up to this much of such time doesn't count towards a call's age.
    /// </summary>
    private const long MaxLateMilliseconds = 300;

    private readonly MapContext _context;
    private readonly PendingCalls _calls = new();
    private readonly Fallbacks _fallbacks;
    private readonly LookupAttempts _attempts;

    // Only used by the clock.
    private long _tickedAt;

    public RemoteLookups(MapContext context, MapShard[] shards, ShardAnswers answers)
    {
        _context = context;
        _fallbacks = new Fallbacks(context, answers);
        _attempts = new LookupAttempts(context, shards, answers, _fallbacks);
    }

    public int Active => _calls.Active;

    public PendingCalls Calls => _calls;

    /// <summary>Starts a lookup.</summary>
    /// <returns>True if it completed at once; false if the waiter will receive the answer.</returns>
    public bool Begin(in Lookup lookup, out StickyAnswer answer)
    {
        var view = _context.View;
        long now = _context.Clock.Milliseconds;
        var call = LookupAttempts.CanAsk(view, view.Routes[_context.ShardOf(lookup.H)]) ? _calls.Rent() : null;
        if (call is null)
        {
            answer = _fallbacks.Answer(lookup.H, lookup.Expected);
            _context.Counters.Count(StickyOutcome.Fallback);
            return true;
        }

        bool done;
        lock (call.Gate)
        {
            call.Id = PendingCalls.NextId(call.Id);
            call.Begin(lookup, now);
            done = _attempts.Attempt(call, view, now, out answer) && Finish(call, answer, notify: false);
        }

        if (done)
        {
            _calls.Return(call);
        }
        else
        {
            _context.Wake?.Invoke();
        }

        return done;
    }

    /// <summary>Handles deadlines, hedging and retries; called every 5 ms while calls are in flight.</summary>
    public void Tick(long now)
    {
        long before = _tickedAt;
        _tickedAt = now;
        if (_calls.Active == 0)
        {
            return;
        }

        var view = _context.View;
        int made = _calls.Made;
        for (int i = 0; i < made; i++)
        {
            if (_calls.At(i) is { } call)
            {
                Look(call, view, now, before);
            }
        }
    }

    /// <summary>Members or owners changed: retries calls whose shard is now elsewhere.</summary>
    public void OnViewChanged(MapView old, MapView view)
    {
        int made = _calls.Made;
        long now = _context.Clock.Milliseconds;
        for (int i = 0; i < made && _calls.Active > 0; i++)
        {
            if (_calls.At(i) is not { IsActive: true } call)
            {
                continue;
            }

            lock (call.Gate)
            {
                int shard = _context.ShardOf(call.H);
                if (old.Routes[shard] == view.Routes[shard])
                {
                    continue;
                }

                call.RetryAt = now;
                call.Hedged = false;
                call.HedgeMissed = false;
            }

            Look(call, view, now, lastLook: now);
        }
    }

    /// <returns>Whether the call was still active.</returns>
    public bool OnAnswer(MemberLookups from, in LookupAnswer reply)
    {
        var call = _calls.Find(reply.Id);
        if (call is null)
        {
            return false;
        }

        long now = _context.Clock.Milliseconds;
        bool done;
        lock (call.Gate)
        {
            if (!call.IsActive || call.Id != reply.Id)
            {
                return false;
            }

            done = Judge(call, from, reply, now, out var answer) && Finish(call, answer, notify: true);
        }

        if (done)
        {
            _calls.Return(call);
        }

        return true;
    }

    /// <summary>Makes every call in flight fall back, because the node stops or is no longer a member.</summary>
    public void GiveUpAll()
    {
        for (int i = 0; i < _calls.Made; i++)
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
                return call.IsActive && Finish(call, _fallbacks.Answer(call), notify: true);
            }
        }
    }

    /// <param name="lastLook">When the call was last checked.</param>
    private void Look(PendingCall call, MapView view, long now, long lastLook)
    {
        bool done = false;
        lock (call.Gate)
        {
            if (!call.IsActive)
            {
                return;
            }

            bool stuck = _context.PoolOwesSince != 0 && now - _context.PoolOwesSince > StepMilliseconds;
            long late = now - Math.Max(lastLook, call.Started) - (stuck ? 0 : StepMilliseconds);
            if (late > 0)
            {
                call.Late = Math.Min(call.Late + late, MaxLateMilliseconds);
            }

            long age = now - call.Started - call.Late;
            StickyAnswer answer;
            if (age >= _context.Settings.FallbackMilliseconds)
            {
                answer = _attempts.FinalAttempt(call, view);
                done = true;
            }
            else
            {
                answer = default;
                done = now >= call.RetryAt && _attempts.Attempt(call, view, now, out answer);
                done = done || (!call.Hedged && age >= _context.Settings.HedgeMilliseconds
                    && _attempts.Hedge(call, view.Routes[_context.ShardOf(call.H)], now, out answer));
            }

            done = done && Finish(call, answer, notify: true);
        }

        if (done)
        {
            _calls.Return(call);
        }
    }

    /// <summary>Evaluates an answer. Under the call's lock.</summary>
    private bool Judge(PendingCall call, MemberLookups from, in LookupAnswer reply, long now, out StickyAnswer answer)
    {
        answer = default;
        switch (reply.Status)
        {
            case AnswerStatus.Found or AnswerStatus.Assigned:
                var backend = BackendRef.FromValue(reply.Backend);
                if (!backend.IsNone && !_context.Slots.IsKept(backend))
                {
                    if (call.Proposals.Length > 0)
                    {
                        return Move(call, backend, reply.IsRead, now, out answer);
                    }

                    backend = BackendRef.None;
                }

                answer = new StickyAnswer(
                    backend, reply.IsRead ? StickyOutcome.Hedge : StickyOutcome.Remote, reply.Status == AnswerStatus.Assigned);
                return true;
            case AnswerStatus.None when reply.IsRead:
                call.HedgeMissed = true;
                call.IsUnknown = true;
                return false;
            case AnswerStatus.None:
                answer = new StickyAnswer(BackendRef.None, StickyOutcome.Remote, false);
                return true;
            case AnswerStatus.NotReady or AnswerStatus.NotHere:
                if (!reply.IsRead)
                {
                    call.RetryAt = now + LookupAttempts.RetryMilliseconds;
                    if (reply.Status == AnswerStatus.NotHere && from.MayRequest(now))
                    {
                        _context.Transport.Send(from.Id, new AnnouncementsRequest());
                    }
                }
                else if (reply.Status == AnswerStatus.NotHere)
                {
                    // The replica did not say whether it knows the client: ask again until it knows the same owner.
                    call.Hedged = false;
                    call.RetryAt = Math.Min(call.RetryAt, now + LookupAttempts.RetryMilliseconds);
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

    /// <summary>This node already knows that the backend is gone or down: asks the owner, once, to move the client.</summary>
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
        call.Kind = LookupKind.Reassign;
        call.Expected = stale.Value;
        return _attempts.Attempt(call, _context.View, now, out answer);
    }

    /// <summary>Completes a call under its lock; the caller returns it to the pool afterwards.</summary>
    private bool Finish(PendingCall call, in StickyAnswer answer, bool notify)
    {
        call.IsActive = false;
        call.CountedAt?.End();
        call.CountedAt = null;
        if (answer.Outcome != StickyOutcome.Fallback && !answer.Backend.IsNone)
        {
            _fallbacks.Remember(call.H, answer.Backend);
        }

        _context.Counters.Count(answer.Outcome);
        var waiter = call.Waiter!;
        call.Waiter = null;
        if (notify)
        {
            waiter.Complete(call.Ticket, answer);
        }

        return true;
    }
}
