using ActorLb.Configuration.Effective;
using ActorLb.Fleet;
using ActorLb.Fleet.Membership;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Server.Admin;

/// <summary>The fleet as one node sees it. Labels name nodes and outcomes, never a client.</summary>
internal static class FleetMetrics
{
    /// <param name="own">This node's configuration.</param>
    public static void Write(MetricsWriter w, LocalMember member, ConfigurationFingerprint own)
    {
        var map = member.Map.Measure();
        Members(w, member);
        w.Single("actorlb_fleet_configurations_differing", "gauge", "Members whose pools, listeners, sticky or cluster section differs from this node's where all nodes should be the same: see pbm cluster show.",
            (member.Host.Standing.Members?.All ?? []).Count(m => member.Spread.Configurations.Known.TryGetValue(m.Id.Name, out var other)
                && ConfigurationFingerprint.Differences(own.Parts, other.Parts).Length > 0));
        Shards(w, member, map);
        Lookups(w, member.Map, map);
    }

    private static void Members(MetricsWriter w, LocalMember member)
    {
        var standing = member.Host.Standing;
        w.Single("actorlb_fleet_members", "gauge", "Members of the fleet, this node included; 0 while it is detached.", standing.Members?.All.Length ?? 0);
        w.Single("actorlb_fleet_live_nodes", "gauge", "Nodes that reported their connections within the last second, including this one.", member.Counts.Report.LiveNodes);
        w.Family("actorlb_fleet_member_up", "gauge", "1 when the member is reachable.");
        foreach (var other in standing.Members?.All ?? [])
        {
            w.Sample("actorlb_fleet_member_up", other.IsReachable ? 1 : 0, ("member", other.Id.Name));
        }
        w.Single("actorlb_fleet_detached", "gauge", "1 while this node is not in the fleet and balances with what it last knew.", standing.IsDetached ? 1 : 0);
        w.Single("actorlb_fleet_restarts_total", "counter", "Memberships of this node that ended without leaving the fleet.", standing.Restarts);
        w.Single("actorlb_fleet_refused_total", "counter", "Handshakes and greetings of other nodes that were refused: different secret, authority, cluster name, release or number of shards, or a name already in use.", member.Host.Refused);
        w.Single("actorlb_fleet_coordinator", "gauge", "1 on the node that assigns the shards.", member.Coordinator == member.Settings.Node ? 1 : 0);
        (long writes, var writing) = member.Spread.Writes;
        w.Single("actorlb_fleet_writes_total", "counter", "Changes to the fleet's shared state that a majority has confirmed to this node.", writes);
        w.Single("actorlb_fleet_write_seconds_total", "counter", "Time until the changes of actorlb_fleet_writes_total were confirmed.", writing.TotalSeconds);
        w.Single("actorlb_fleet_changes_unconfirmed", "gauge", "1 while an operator's change applies on this node only.", member.Spread.Backends.HasUnconfirmed || member.Spread.Orders.HasUnconfirmed ? 1 : 0);
    }

    private static void Shards(MetricsWriter w, LocalMember member, MapStatistics map)
    {
        int partitions = member.Map.Settings.PartitionsPerShard;
        int owned = 0, moves = 0;
        foreach (var seats in member.Map.Directory.Shards)
        {
            owned += seats?.Owner == member.Map.Members?.Self ? 1 : 0;
            moves += seats?.Next is null ? 0 : 1;
        }
        w.Single("actorlb_fleet_shards_open", "gauge", "Shards that are open on this node.", map.Owned);
        w.Single("actorlb_fleet_partitions_open", "gauge", "Partitions of the map that are open on this node.", map.Owned * partitions);
        w.Single("actorlb_fleet_partitions_owned", "gauge", "Partitions of the map that this node owns, as announced to the fleet.", owned * partitions);
        w.Single("actorlb_fleet_shards_opening", "gauge", "Shards assigned to this node that are looking for their newest copy.", map.Opening);
        w.Single("actorlb_fleet_shards_copied", "gauge", "Shards of which this node keeps a copy.", map.Copies);
        w.Single("actorlb_fleet_shards_unsynced", "gauge", "Copies that are not complete yet.", map.Copies - map.CompleteCopies);
        w.Single("actorlb_fleet_shards_unreplicated", "gauge", "Shards open here without a complete copy elsewhere.", map.Unreplicated);
        w.Single("actorlb_fleet_moves", "gauge", "Shards of the fleet being handed over to another node.", moves);
        w.Single("actorlb_fleet_replication_lag", "gauge", "Unconfirmed changes of the copy, of a shard of this node, that is furthest behind.", map.Behind);
        w.Single("actorlb_sticky_copied_entries", "gauge", "Clients in this node's copies of other nodes' shards.", map.CopiedEntries);
        w.Single("actorlb_sticky_bytes", "gauge", "Memory of the sticky map's tables.", map.Bytes);
        w.Single("actorlb_sticky_evicted_total", "counter", "Clients evicted because of the limit of entries.", map.Evicted);
        var counters = member.Map.Counters;
        w.Single("actorlb_sticky_learned_total", "counter", "Clients whose broker was reported by a node with a live connection.", counters.Learned);
        w.Single("actorlb_fleet_hand_offs_total", "counter", "Shards that this node handed over completely.", counters.HandOffs);
        w.Single("actorlb_fleet_openings_total", "counter", "Shards opened on this node.", counters.Openings);
        w.Single("actorlb_fleet_opening_seconds_total", "counter", "Time from assignment to this node until the shards of actorlb_fleet_openings_total were open; they had no owner meanwhile.", counters.OpeningMilliseconds / 1000.0);
        w.Single("actorlb_fleet_snapshots_total", "counter", "Complete copies taken of shards.", counters.Snapshots);
        w.Single("actorlb_fleet_replication_overflows_total", "counter", "Times a copy fell behind by more changes than are kept and needed a new snapshot.", counters.LogOverflows);
        w.Single("actorlb_fleet_digest_mismatches_total", "counter", "Times a copy was found to differ from its owner's shard.", counters.DigestMismatches);
        w.Single("actorlb_fleet_bad_messages_total", "counter", "Invalid messages from members.", counters.Rejected);
    }

    private static void Lookups(MetricsWriter w, ShardedMap map, MapStatistics statistics)
    {
        var counters = map.Counters;
        w.Family("actorlb_sticky_lookups_total", "counter", "Sticky lookups by outcome: answered by a shard of this node, by the owner on another node, by the replica because the owner was slow, or by the fall-back.");
        w.Sample("actorlb_sticky_lookups_total", statistics.Lookups, ("outcome", "local"));
        w.Sample("actorlb_sticky_lookups_total", counters.Remote, ("outcome", "remote"));
        w.Sample("actorlb_sticky_lookups_total", counters.Hedge, ("outcome", "hedge"));
        w.Sample("actorlb_sticky_lookups_total", counters.Fallback, ("outcome", "fallback"));
        w.Single("actorlb_sticky_lookups_in_flight", "gauge", "Sticky lookups waiting for another node.", map.CallsInFlight);
        w.Single("actorlb_sticky_lookup_batches_total", "counter", "Messages with lookups sent to other nodes; lookups divided by this is the average batch size.", counters.Batches);
    }
}
