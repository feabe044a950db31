using ActorLb.Cluster;

namespace ActorLb.Sticky;

/// <summary>
/// Where a client goes when nobody who should know has answered: what is left of the shard here, then what this node last saw of the
/// client, then nothing, which has the caller draw by rendezvous.
/// </summary>
internal sealed class Fallbacks(RegionContext context, Func<int, RegionShard> shards)
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
        var known = ShardCalls.Remains(shards(context.ShardOf(h)), context, h);
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
        var seats = view.Seats(number);
        var replica = call switch
        {
            null or { Hedged: false, HedgeMissed: false } => "not asked",
            { IsUnknown: true } => "does not know the client",
            { HedgeMissed: true } => "has no complete copy, or could not be asked",
            _ => "silent",
        };
        told(new FallbackNote(
            number, call is null ? 0 : now - call.Started, call?.Late ?? 0, $"{NameOf(seats.Owner)} {State(seats.Owner)}",
            $"{NameOf(seats.Replica)} {replica}, {State(seats.Replica)}", answer));

        string NameOf(short node) => view.Map.NodeAt(node)?.Name ?? "nobody";
        string State(short node) => node < 0 ? "-" : node == view.Self ? "this node" : view.Peers[node] switch
        {
            { Link.IsUp: false } or null => "not connected",
            { } peer when peer.IsSilent(now) => $"silent, {peer.InFlight} calls under way",
            { } peer => $"connected, {peer.InFlight} calls under way",
        };
    }
}
