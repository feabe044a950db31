using ActorLb.Cluster.Transport;
using ActorLb.Fleet;

namespace ActorLb.Server.Admin;

/// <summary>The fleet as one node sees it. Labels name nodes and kinds of faults, never a client.</summary>
internal static class FleetMetrics
{
    /// <summary>A fleet's loop that is busy for longer is left out of the page rather than keeping the reader waiting.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Null on a node by itself, and when the fleet's loop does not answer in time.</summary>
    public static async Task<FleetStatus?> ReadAsync(Node node)
    {
        if (node.InFleet is not { IsStarted: true } fleet) return null;
        try
        {
            return await fleet.Node.GetStatusAsync().WaitAsync(Patience);
        }
        catch (Exception e) when (e is TimeoutException or InvalidOperationException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <param name="faults">Count of a kind since the start.</param>
    /// <param name="badFrames">Frames of known peers that made no sense.</param>
    public static void Write(MetricsWriter w, FleetStatus status, Func<PeerFault, long> faults, long badFrames)
    {
        Members(w, status);
        Shards(w, status.Shards);
        w.Family("actorlb_sticky_lookups_total", "counter", "Sticky lookups by outcome: answered from a shard of this node, by its owner elsewhere, by the replica because the owner was slow, or by falling back.");
        w.Sample("actorlb_sticky_lookups_total", status.Lookups.Local, ("outcome", "local"));
        w.Sample("actorlb_sticky_lookups_total", status.Lookups.Remote, ("outcome", "remote"));
        w.Sample("actorlb_sticky_lookups_total", status.Lookups.Hedge, ("outcome", "hedge"));
        w.Sample("actorlb_sticky_lookups_total", status.Lookups.Fallback, ("outcome", "fallback"));
        w.Single("actorlb_sticky_lookups_in_flight", "gauge", "Sticky lookups that wait for another node.", status.Lookups.InFlight);
        w.Family("actorlb_fleet_peer_faults_total", "counter", "Connections between nodes refused or lost, by kind.");
        foreach (PeerFault fault in Enum.GetValues<PeerFault>())
        {
            if (fault != PeerFault.None) w.Sample("actorlb_fleet_peer_faults_total", faults(fault), ("fault", Word(fault)));
        }
        w.Single("actorlb_fleet_bad_frames_total", "counter", "Frames of connected nodes that could not be read.", badFrames);
    }

    private static void Members(MetricsWriter w, FleetStatus status)
    {
        w.Single("actorlb_fleet_members", "gauge", "Nodes registered in the cluster's store.", status.Members.Length);
        w.Single("actorlb_fleet_live_nodes", "gauge", "Nodes heard of within the last second, this one included.", status.LiveNodes);
        w.Family("actorlb_fleet_member_up", "gauge", "1 when this node is connected to the member.");
        foreach (FleetMember member in status.Members) w.Sample("actorlb_fleet_member_up", member.IsReachable ? 1 : 0, ("member", member.Name));
        w.Single("actorlb_fleet_registered", "gauge", "1 when this node is registered in the cluster's store.", status.IsRegistered ? 1 : 0);
        w.Single("actorlb_fleet_coordinator", "gauge", "1 on the node that hands out the shards.", status.IsCoordinator ? 1 : 0);
        w.Single("actorlb_fleet_epoch", "gauge", "Count of the shard table in force; 0 before the first.", status.Epoch);
        w.Single("actorlb_fleet_store_up", "gauge", "1 when the cluster's store answers this node.", status.IsStoreUp == true ? 1 : 0);
    }

    private static void Shards(MetricsWriter w, ShardStatus shards)
    {
        w.Single("actorlb_fleet_shards_owned", "gauge", "Shards that this node owns.", shards.Owned);
        w.Single("actorlb_fleet_shards_copied", "gauge", "Shards of which this node keeps a copy.", shards.Copies);
        w.Single("actorlb_fleet_shards_unsynced", "gauge", "Copies that are not complete yet.", shards.Unsynced);
        w.Single("actorlb_sticky_copied_entries", "gauge", "Clients in the copies of other nodes' shards.", shards.CopiedEntries);
        w.Single("actorlb_sticky_bytes", "gauge", "Memory of the sticky map's tables.", shards.Bytes);
        w.Single("actorlb_sticky_evicted_total", "counter", "Clients that the limit of entries pushed out.", shards.Evicted);
        w.Single("actorlb_sticky_learned_total", "counter", "Clients whose broker was told by a node with a live connection.", shards.Learned);
        w.Single("actorlb_fleet_replication_lag", "gauge", "Changes that the copies of this node's shards have not confirmed.", shards.Lag);
        w.Single("actorlb_fleet_hand_offs_total", "counter", "Shards that this node took over.", shards.HandOffs);
        w.Single("actorlb_fleet_unsealed_total", "counter", "Shards taken over without the last owner's word that nothing is missing.", shards.Unsealed);
        w.Single("actorlb_fleet_snapshots_total", "counter", "Shards copied as a whole.", shards.Snapshots);
        w.Single("actorlb_fleet_replication_overflows_total", "counter", "Copies that fell behind by more changes than are kept, and took another snapshot.", shards.LogOverflows);
        w.Single("actorlb_fleet_digest_mismatches_total", "counter", "Copies found to differ from their owner's shard.", shards.DigestMismatches);
    }

    /// <summary>Stable words: dashboards and alerts name them.</summary>
    private static string Word(PeerFault fault) => fault switch
    {
        PeerFault.Garbage => "garbage",
        PeerFault.Tls => "tls",
        PeerFault.Malformed => "malformed",
        PeerFault.Version => "version",
        PeerFault.Cluster => "cluster",
        PeerFault.Proof => "proof",
        PeerFault.HashKey => "hash_key",
        PeerFault.SameName => "same_name",
        PeerFault.Timeout => "timeout",
        PeerFault.Connection => "connection",
        PeerFault.OtherRun => "other_run",
        _ => "other",
    };
}
