using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map.Lookups;

/// <summary>Why a lookup was decided without the map, for people.</summary>
/// <param name="Waited">Milliseconds since it was asked, those included in which this node did not run.</param>
/// <param name="Late">Milliseconds of them in which it did not run.</param>
/// <param name="Owner">Name and state.</param>
/// <param name="Replica">Name and state.</param>
internal readonly record struct FallbackNote(int Shard, long Waited, long Late, string Owner, string Replica, StickyAnswer Answer);

/// <summary>
/// Where a client goes when nobody who should know has answered: what is left of the shard here, then what this node last saw of the
/// client, then nothing, which has the caller draw by rendezvous.
/// </summary>
internal sealed class Fallbacks(MapContext context, ShardAnswers answers)
{
    private readonly LastKnownGood _known = new(context.Settings.LastKnownGoodEntries);

    public void Remember(ulong h, BackendRef backend) => _known.Remember(h, backend);

    /// <summary>Nobody could be asked.</summary>
    /// <param name="leaving">The backend that the caller wants to leave: what is known is no help when it is that one.</param>
    public StickyAnswer Answer(ulong h, BackendRef leaving)
    {
        var answer = Find(h, leaving, silent: true);
        Note(h, null, answer);
        return answer;
    }

    /// <summary>The call has no answer, or none that helps. Under the call's lock.</summary>
    public StickyAnswer Answer(PendingCall call)
    {
        var answer = Find(call.H, BackendRef.FromValue(call.Expected), !call.IsUnknown);
        Note(call.H, call, answer);
        return answer;
    }

    /// <param name="silent">No complete copy has said that it does not know the client.</param>
    private StickyAnswer Find(ulong h, BackendRef leaving, bool silent)
    {
        var known = answers.Remains(h);
        if (!Helps(known) && silent)
        {
            known = _known.Find(h);
        }

        return new StickyAnswer(Helps(known) ? known : BackendRef.None, StickyOutcome.Fallback, false);

        bool Helps(BackendRef backend) => !backend.IsNone && backend != leaving && context.Slots.IsKept(backend);
    }

    private void Note(ulong h, PendingCall? call, in StickyAnswer answer)
    {
        if (context.FellBack is not { } told || context.WantsFellBack?.Invoke() == false)
        {
            return;
        }

        var now = context.Clock.Milliseconds;
        var view = context.View;
        var number = context.ShardOf(h);
        var seats = view.Directory[number];
        var route = view.Routes[number];
        var replica = call switch
        {
            null or { Hedged: false, HedgeMissed: false } => "not asked",
            { IsUnknown: true } => "does not know the client",
            { HedgeMissed: true } => "has no complete copy, or could not be asked",
            _ => "silent",
        };
        told(new FallbackNote(
            number, call is null ? 0 : now - call.Started, call?.Late ?? 0,
            $"{seats?.Owner.Name ?? "nobody"} {State(route.Owner, route.IsOwnerHere)}",
            $"{seats?.Replica?.Name ?? "nobody"} {replica}, {State(route.Replica, route.IsReplicaHere)}", answer));

        string State(PeerLookups? peer, bool isHere) => isHere ? "this node"
            : view.Members is null ? "not asked: this node is in no fleet" : peer switch
            {
                null => "not there",
                { IsReachable: false } => "not connected",
                { } p when p.IsSilent(now) => $"silent, {p.InFlight} calls under way",
                { } p => $"connected, {p.InFlight} calls under way",
            };
    }
}
