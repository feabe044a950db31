using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map.Lookups;

/// <summary>Tries a lookup at the owner, on this node, or at the replica. All methods are called under the call's lock.</summary>
internal sealed class LookupAttempts(MapContext context, MapShard[] shards, ShardAnswers answers, Fallbacks fallbacks)
{
    /// <summary>Delay before asking again a node that could not answer yet.</summary>
    public const long RetryMilliseconds = 5;

    /// <summary>Asks the owner, or executes the lookup here if this node has become the owner.</summary>
    public bool Attempt(PendingCall call, MapView view, long now, out StickyAnswer answer)
    {
        var shard = shards[context.ShardOf(call.H)];
        var route = view.Routes[shard.Number];
        call.RetryAt = now + RetryMilliseconds;
        if (AttemptHere(call, shard, out answer))
        {
            return true;
        }

        if (route.Owner is { } owner && TrySend(call, owner, call.Kind, route.Epoch, now))
        {
            call.RetryAt = long.MaxValue;
            return false;
        }

        if (!call.Hedged && Hedge(call, route, now, out answer))
        {
            return true;
        }

        // No node is left to ask and none is about to become available, so don't wait for the deadline.
        if (call.HedgeMissed || !CanAsk(view, route))
        {
            answer = fallbacks.Answer(call);
            return true;
        }

        return false;
    }

    private bool AttemptHere(PendingCall call, MapShard shard, out StickyAnswer answer)
    {
        answer = default;
        lock (shard.Gate)
        {
            if (!shard.Serves)
            {
                return false;
            }

            Span<BackendRef> proposals = stackalloc BackendRef[StickyLimits.MaxProposals];
            int count = call.Proposals.Length;
            for (int i = 0; i < count; i++)
            {
                proposals[i] = BackendRef.FromValue(call.Proposals[i]);
            }

            var result = answers.Execute(shard, call.Kind, call.H, BackendRef.FromValue(call.Expected), proposals[..count]);
            answer = new StickyAnswer(result.Backend, StickyOutcome.Local, result.Status == LookupStatus.Assigned);
            return true;
        }
    }

    private static bool TrySend(PendingCall call, MemberLookups member, LookupKind kind, ulong epoch, long now)
    {
        if (!member.TryBegin(now))
        {
            return false;
        }

        call.CountedAt?.End();
        call.CountedAt = member;
        member.Ask(call.ToRequest(kind, epoch), now);
        return true;
    }

    /// <summary>Reads the replica. Only the owner may move a client.</summary>
    public bool Hedge(PendingCall call, in ShardRoute route, long now, out StickyAnswer answer)
    {
        answer = default;
        if (call.Kind != LookupKind.GetOrAssign || (!route.IsReplicaHere && route.Replica is null))
        {
            call.HedgeMissed = call.Kind == LookupKind.GetOrAssign && route.Epoch != 0;
            return false;
        }

        if (route.IsReplicaHere)
        {
            var (status, backend) = answers.Peek(call.H, route.Epoch);

            // There is no answer while a change of owners is in progress; the new view retries the call.
            call.Hedged = status != AnswerStatus.NotHere;
            call.HedgeMissed = call.Hedged && backend.IsNone;
            call.IsUnknown |= status == AnswerStatus.None;
            answer = new StickyAnswer(backend, StickyOutcome.Hedge, false);
            return !backend.IsNone;
        }

        call.Hedged = true;
        call.HedgeMissed = route.Replica!.IsSilent(now);
        if (!call.HedgeMissed)
        {
            route.Replica.Ask(call.ToRequest(LookupKind.Read, route.Epoch), now);
        }

        return false;
    }

    /// <summary>With epoch 0 the shard has not been announced yet, but a member will hear of it soon.</summary>
    public static bool CanAsk(MapView view, in ShardRoute route) =>
        (route.IsOwnerHere || route.IsOwnerUp || route.IsReplicaHere || route.IsReplicaUp || (route.Epoch == 0 && view.Members is not null))
        && route.Owner is not { InFlight: >= MemberLookups.MaxInFlight };

    /// <summary>
    /// The deadline has passed. Tries this node once more, because it may have become owner or replica meanwhile: a late thread
    /// is no reason to send a client to the wrong backend.
    /// </summary>
    public StickyAnswer FinalAttempt(PendingCall call, MapView view)
    {
        int number = context.ShardOf(call.H);
        if (AttemptHere(call, shards[number], out var answer))
        {
            return answer;
        }

        if (call.Kind == LookupKind.GetOrAssign && view.Routes[number] is { IsReplicaHere: true } route)
        {
            var (status, here) = answers.Peek(call.H, route.Epoch);
            call.IsUnknown |= status == AnswerStatus.None;
            if (!here.IsNone)
            {
                return new StickyAnswer(here, StickyOutcome.Hedge, false);
            }
        }

        return fallbacks.Answer(call);
    }
}
