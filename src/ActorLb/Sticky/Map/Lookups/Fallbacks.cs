using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map.Lookups;

/// <summary>Why a lookup fell back, for the log.</summary>
/// <param name="Waited">Milliseconds since the lookup began, including those in which this node did not run.</param>
/// <param name="Late">Milliseconds of <paramref name="Waited"/> in which this node did not run.</param>
/// <param name="Owner">Name and state, for the log.</param>
/// <param name="Replica">Name and state.</param>
internal readonly record struct FallbackNote(int Shard, long Waited, long Late, string Owner, string Replica, StickyAnswer Answer);

/// <summary>
/// Answers lookups when neither owner nor replica did: from what this node still holds of the shard, then from the backend it
/// last saw for the client, else with none, and the caller uses rendezvous.
/// </summary>
internal sealed class Fallbacks(MapContext context, ShardAnswers answers)
{
    private readonly LastKnownGood _known = new(context.Settings.LastKnownGoodEntries);

    public void Remember(ulong h, BackendRef backend) => _known.Remember(h, backend);

    /// <summary>No node could be asked.</summary>
    /// <param name="leaving">The backend that the caller moves away from; never the answer.</param>
    public StickyAnswer Answer(ulong h, BackendRef leaving)
    {
        var answer = Find(h, leaving, silent: true);
        Note(h, null, answer);
        return answer;
    }

    /// <summary>The call got no usable answer. Under the call's lock.</summary>
    public StickyAnswer Answer(PendingCall call)
    {
        var answer = Find(call.H, BackendRef.FromValue(call.Expected), !call.IsUnknown);
        Note(call.H, call, answer);
        return answer;
    }

    /// <param name="silent">No complete copy has answered that it doesn't know the client.</param>
    private StickyAnswer Find(ulong h, BackendRef leaving, bool silent)
    {
        var known = answers.ReadAnyCopy(h);
        if (!Helps(known) && silent)
        {
            known = _known.Find(h);
        }

        return new StickyAnswer(Helps(known) ? known : BackendRef.None, StickyOutcome.Fallback, false);

        bool Helps(BackendRef backend) => !backend.IsNone && backend != leaving && context.Slots.IsKept(backend);
    }

    private void Note(ulong h, PendingCall? call, in StickyAnswer answer)
    {
        if (context.FellBack is not { } log || context.IsFallbackLogEnabled?.Invoke() == false)
        {
            return;
        }

        long now = context.Clock.Milliseconds;
        var view = context.View;
        int number = context.ShardOf(h);
        var seats = view.Directory[number];
        var route = view.Routes[number];
        string replica = call switch
        {
            null or { Hedged: false, HedgeMissed: false } => "not asked",
            { IsUnknown: true } => "does not know the client",
            { HedgeMissed: true } => "has no complete copy, or could not be asked",
            _ => "silent",
        };
        log(new FallbackNote(
            number, call is null ? 0 : now - call.Started, call?.Late ?? 0,
            $"{seats?.Owner.Name ?? "none"} {State(route.Owner, route.IsOwnerHere)}",
            $"{seats?.Replica?.Name ?? "none"} {replica}, {State(route.Replica, route.IsReplicaHere)}", answer));

        string State(MemberLookups? member, bool isHere) => isHere ? "this node"
            : view.Members is null ? "not asked: this node is not in a fleet" : member switch
            {
                null => "not a member",
                { IsReachable: false } => "not connected",
                { } p when p.IsSilent(now) => $"silent, {p.InFlight} calls in flight",
                { } p => $"connected, {p.InFlight} calls in flight",
            };
    }
}
