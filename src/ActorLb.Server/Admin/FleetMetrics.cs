using ActorLb.Configuration.Effective;
using ActorLb.Fleet;
using ActorLb.Fleet.Membership;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Server.Admin;

/// <summary>The fleet as one node sees it. Labels name nodes and kinds of outcomes, never a client.</summary>
internal static class FleetMetrics
{
    /// <param name="own">Of this node's configuration.</param>
    public static void Write(MetricsWriter w, LocalMember member, ConfigurationFingerprint own)
    {
        MapStatistics map = member.Map.Measure();
        Members(w, member);
        w.Single("actorlb_fleet_configurations_differing", "gauge", "Members whose pools, listeners, sticky or cluster block differ from this node's in what all nodes should have alike: see pbm cluster show.",
            (member.Host.Standing.Members?.All ?? []).Count(m => member.Spread.Configurations.Known.TryGetValue(m.Id.Name, out ConfigurationFingerprint? other)
                && ConfigurationFingerprint.Differences(own.Parts, other.Parts).Length > 0));
        Shards(w, member, map);
        Lookups(w, member.Map, map);
    }

    private static void Members(MetricsWriter w, LocalMember member)
    {
        FleetStanding standing = member.Host.Standing;
        w.Single("actorlb_fleet_members", "gauge", "Members of the fleet, this node included; 0 while it is detached.", standing.Members?.All.Length ?? 0);
        w.Single("actorlb_fleet_live_nodes", "gauge", "Nodes whose connections were heard of within the last second, this one included.", member.Counts.Report.LiveNodes);
        w.Family("actorlb_fleet_member_up", "gauge", "1 when the member is reachable.");
        foreach (Fleet.Membership.ClusterMember other in standing.Members?.All ?? [])
        {
            w.Sample("actorlb_fleet_member_up", other.IsReachable ? 1 : 0, ("member", other.Id.Name));
        }
        w.Single("actorlb_fleet_detached", "gauge", "1 while this node is in no fleet and balances on with what it knows.", standing.IsDetached ? 1 : 0);
        w.Single("actorlb_fleet_restarts_total", "counter", "Memberships of this node that ended without a leave.", standing.Restarts);
        w.Single("actorlb_fleet_refused_total", "counter", "Handshakes and greetings of nodes that are refused: another secret, authority, cluster name, release or number of shards, or a name that is taken.", member.Host.Refused);
        w.Single("actorlb_fleet_coordinator", "gauge", "1 on the node that hands out the shards.", member.Coordinator == member.Settings.Node ? 1 : 0);
        (long writes, TimeSpan writing) = member.Spread.Writes;
        w.Single("actorlb_fleet_writes_total", "counter", "Changes of what the fleet shares that a majority has confirmed to this node.", writes);
        w.Single("actorlb_fleet_write_seconds_total", "counter", "Time until the changes of actorlb_fleet_writes_total were confirmed.", writing.TotalSeconds);
        w.Single("actorlb_fleet_changes_unconfirmed", "gauge", "1 while an operator's change holds on this node alone.", member.Spread.Backends.HasUnconfirmed || member.Spread.Orders.HasUnconfirmed ? 1 : 0);
    }

    private static void Shards(MetricsWriter w, LocalMember member, MapStatistics map)
    {
        int partitions = member.Map.Settings.PartitionsPerShard;
        int owned = 0, moves = 0;
        foreach (ShardAnnouncement? seats in member.Map.Directory.Shards)
        {
            owned += seats?.Owner == member.Map.Members?.Self ? 1 : 0;
            moves += seats?.Next is null ? 0 : 1;
        }
        w.Single("actorlb_fleet_shards_open", "gauge", "Shards that are open on this node.", map.Owned);
        w.Single("actorlb_fleet_partitions_open", "gauge", "Partitions of the map that are open on this node.", map.Owned * partitions);
        w.Single("actorlb_fleet_partitions_owned", "gauge", "Partitions of the map that this node owns, as the fleet was told.", owned * partitions);
        w.Single("actorlb_fleet_shards_opening", "gauge", "Shards given to this node that look for their newest copy.", map.Opening);
        w.Single("actorlb_fleet_shards_copied", "gauge", "Shards of which this node keeps a copy.", map.Copies);
        w.Single("actorlb_fleet_shards_unsynced", "gauge", "Copies that are not complete yet.", map.Copies - map.CompleteCopies);
        w.Single("actorlb_fleet_shards_unreplicated", "gauge", "Shards open here without a complete copy elsewhere.", map.Unreplicated);
        w.Single("actorlb_fleet_moves", "gauge", "Shards of the fleet on their way to another node.", moves);
        w.Single("actorlb_fleet_replication_lag", "gauge", "The most changes that a copy of a shard of this node has not confirmed.", map.Behind);
        w.Single("actorlb_sticky_copied_entries", "gauge", "Clients in the copies of other nodes' shards.", map.CopiedEntries);
        w.Single("actorlb_sticky_bytes", "gauge", "Memory of the sticky map's tables.", map.Bytes);
        w.Single("actorlb_sticky_evicted_total", "counter", "Clients that the limit of entries pushed out.", map.Evicted);
        MapCounters counters = member.Map.Counters;
        w.Single("actorlb_sticky_learned_total", "counter", "Clients whose broker was reported by a node with a live connection.", counters.Learned);
        w.Single("actorlb_fleet_hand_offs_total", "counter", "Shards that this node handed over whole.", counters.HandOffs);
        w.Single("actorlb_fleet_openings_total", "counter", "Shards opened on this node.", counters.Openings);
        w.Single("actorlb_fleet_opening_seconds_total", "counter", "Time that the shards of actorlb_fleet_openings_total took from being given to this node to being open: nobody owned them then.", counters.OpeningMilliseconds / 1000.0);
        w.Single("actorlb_fleet_snapshots_total", "counter", "Shards copied as a whole.", counters.Snapshots);
        w.Single("actorlb_fleet_replication_overflows_total", "counter", "Copies that fell behind by more changes than are kept, and took another snapshot.", counters.LogOverflows);
        w.Single("actorlb_fleet_digest_mismatches_total", "counter", "Copies found to differ from their owner's shard.", counters.DigestMismatches);
        w.Single("actorlb_fleet_bad_messages_total", "counter", "Messages of members that made no sense.", counters.Rejected);
    }

    private static void Lookups(MetricsWriter w, ShardedMap map, MapStatistics statistics)
    {
        MapCounters counters = map.Counters;
        w.Family("actorlb_sticky_lookups_total", "counter", "Sticky lookups by outcome: answered from a shard of this node, by its owner elsewhere, by the replica because the owner was slow, or by falling back.");
        w.Sample("actorlb_sticky_lookups_total", statistics.Lookups, ("outcome", "local"));
        w.Sample("actorlb_sticky_lookups_total", counters.Remote, ("outcome", "remote"));
        w.Sample("actorlb_sticky_lookups_total", counters.Hedge, ("outcome", "hedge"));
        w.Sample("actorlb_sticky_lookups_total", counters.Fallback, ("outcome", "fallback"));
        w.Single("actorlb_sticky_lookups_in_flight", "gauge", "Sticky lookups that wait for another node.", map.CallsInFlight);
        w.Single("actorlb_sticky_lookup_batches_total", "counter", "Messages with lookups sent to other nodes: lookups by it is the size of a batch.", counters.Batches);
    }
}
