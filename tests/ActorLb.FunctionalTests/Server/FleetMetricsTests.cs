using ActorLb.Cluster.Transport;
using ActorLb.Fleet;
using ActorLb.Server.Admin;

namespace ActorLb.FunctionalTests.Server;

public sealed class FleetMetricsTests
{
    [Fact]
    public void Write_Status_GivesEveryFigureItsName()
    {
        var status = new FleetStatus(
            "production", "lb-1", Epoch: 17, IsRegistered: true, IsCoordinator: false, IsLeaving: false, IsStoreUp: false, "no leader",
            [Member("lb-1", isSelf: true, isReachable: true), Member("lb-2", isSelf: false, isReachable: false)],
            new ShardStatus(
                Owned: 2048, Copies: 2047, Unsynced: 3, Entries: 50, CopiedEntries: 49, Bytes: 4096, Lag: 5, Evicted: 6, LiveSessions: 7,
                HandOffs: 8, Unsealed: 9, Snapshots: 10, DigestMismatches: 11, LogOverflows: 14, Learned: 12),
            new LookupCounts(Local: 100, Remote: 101, Hedge: 102, Fallback: 103, InFlight: 104), LiveNodes: 1);
        var writer = new MetricsWriter();
        FleetMetrics.Write(writer, status, fault => 200 + (int)fault, badFrames: 13);

        string[] lines = writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            [
                "actorlb_fleet_members 2",
                "actorlb_fleet_live_nodes 1",
                "actorlb_fleet_member_up{member=\"lb-1\"} 1",
                "actorlb_fleet_member_up{member=\"lb-2\"} 0",
                "actorlb_fleet_registered 1",
                "actorlb_fleet_coordinator 0",
                "actorlb_fleet_epoch 17",
                "actorlb_fleet_store_up 0",
                "actorlb_fleet_shards_owned 2048",
                "actorlb_fleet_shards_copied 2047",
                "actorlb_fleet_shards_unsynced 3",
                "actorlb_sticky_copied_entries 49",
                "actorlb_sticky_bytes 4096",
                "actorlb_sticky_evicted_total 6",
                "actorlb_sticky_learned_total 12",
                "actorlb_fleet_replication_lag 5",
                "actorlb_fleet_hand_offs_total 8",
                "actorlb_fleet_unsealed_total 9",
                "actorlb_fleet_snapshots_total 10",
                "actorlb_fleet_replication_overflows_total 14",
                "actorlb_fleet_digest_mismatches_total 11",
                "actorlb_sticky_lookups_total{outcome=\"local\"} 100",
                "actorlb_sticky_lookups_total{outcome=\"remote\"} 101",
                "actorlb_sticky_lookups_total{outcome=\"hedge\"} 102",
                "actorlb_sticky_lookups_total{outcome=\"fallback\"} 103",
                "actorlb_sticky_lookups_in_flight 104",
                "actorlb_fleet_peer_faults_total{fault=\"garbage\"} 201",
                "actorlb_fleet_peer_faults_total{fault=\"tls\"} 202",
                "actorlb_fleet_peer_faults_total{fault=\"malformed\"} 203",
                "actorlb_fleet_peer_faults_total{fault=\"version\"} 204",
                "actorlb_fleet_peer_faults_total{fault=\"cluster\"} 205",
                "actorlb_fleet_peer_faults_total{fault=\"proof\"} 206",
                "actorlb_fleet_peer_faults_total{fault=\"hash_key\"} 207",
                "actorlb_fleet_peer_faults_total{fault=\"same_name\"} 208",
                "actorlb_fleet_peer_faults_total{fault=\"timeout\"} 209",
                "actorlb_fleet_peer_faults_total{fault=\"connection\"} 210",
                "actorlb_fleet_peer_faults_total{fault=\"other_run\"} 211",
                "actorlb_fleet_bad_frames_total 13",
            ],
            lines.Where(l => !l.StartsWith('#')));
        Assert.Equal(24, lines.Count(l => l.StartsWith("# TYPE ", StringComparison.Ordinal)));
    }

    private static FleetMember Member(string name, bool isSelf, bool isReachable) =>
        new(name, 1, "127.0.0.1:1", "a", 1, IsLeaving: false, IsCoordinator: false, isSelf, isReachable, Owned: 1, Copies: 1);
}
