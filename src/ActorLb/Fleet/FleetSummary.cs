using System.Collections.Immutable;
using ActorLb.Cluster;
using ActorLb.Sticky;

namespace ActorLb.Fleet;

/// <summary>What people and metrics want to know, read off the control plane and the region.</summary>
internal static class FleetSummary
{
    public static FleetStatus Of(FleetControl control, FleetOptions options, PeerId self)
    {
        var core = control.Core;
        var map = core.Map;
        var members = core.View.Members.Select(m =>
        {
            var index = map.IndexOf(m.Id);
            return new FleetMember(
                m.Name, m.Incarnation, m.Address, m.Zone, m.Weight, m.Leaving, core.View.Coordinator?.Id == m.Id, m.Id == self,
                m.Id == self || (control.Links.TryGetValue(m.Id, out var link) && link.IsUp),
                index < 0 ? 0 : map.Shards.Count(s => s.Owner == index), index < 0 ? 0 : map.Shards.Count(s => s.Replica == index));
        });
        var shards = Shards(control.Region, out var local);
        var counters = control.Region.Context.Counters;
        return new FleetStatus(
            options.Cluster, self.Name, ShardMap.Number(map.Epoch), core.IsRegistered, core.IsCoordinator, core.IsLeaving, core.IsStoreUp,
            core.StoreFault, [.. members], shards,
            new LookupCounts(local, counters.Remote, counters.Hedge, counters.Fallback, control.Region.CallsInFlight),
            control.Reports.Report.LiveNodes);
    }

    /// <param name="lookups">Answered from this node's shards, for itself and for others.</param>
    public static ShardStatus Shards(ShardRegion region, out long lookups)
    {
        int owned = 0, copies = 0, unsynced = 0;
        long entries = 0, copied = 0, bytes = 0, lag = 0, evicted = 0, live = 0;
        lookups = 0;
        foreach (var shard in region.Shards)
        {
            lock (shard.Gate)
            {
                bytes += shard.Store.Table.Bytes;
                evicted += shard.Store.Evicted;
                live += shard.Live?.Count ?? 0;
                lookups += shard.Lookups;
                if (shard.Role == ShardRole.Owner)
                {
                    owned++;
                    entries += shard.Store.Table.Count;
                    lag += shard.ReplicaTarget is { } target ? (long)(shard.Store.Log.Last - Math.Min(shard.Store.Log.Last, target.Acked)) : 0;
                }
                else if (shard.IsCopy)
                {
                    copies++;
                    unsynced += shard.Synced ? 0 : 1;
                    copied += shard.Store.Table.Count;
                }
            }
        }

        var c = region.Context.Counters;
        return new ShardStatus(
            owned, copies, unsynced, entries, copied, bytes, lag, evicted, live, c.HandOffs, c.Unsealed, c.Snapshots, c.DigestMismatches, c.LogOverflows,
            c.Learned);
    }

    public static ImmutableArray<ShardLine> Shards(FleetControl control)
    {
        var map = control.Core.Map;
        var lines = ImmutableArray.CreateBuilder<ShardLine>(map.Shards.Length);
        for (var i = 0; i < map.Shards.Length; i++)
        {
            var seats = map.Shards[i];
            lines.Add(new ShardLine(
                i, map.NodeAt(seats.Owner)?.Name, map.NodeAt(seats.Replica)?.Name, map.NodeAt(seats.Next)?.Name,
                control.Region.Shards[i].Store.Table.Count));
        }

        return lines.MoveToImmutable();
    }

    public static ImmutableArray<FleetBackend> Backends(BackendRegistry registry, long now) =>
    [
        .. registry.Records.Select(r => new FleetBackend(
            r.Key.Pool, r.Key.Id, new BackendRef(r.Value.Slot, r.Value.Gen),
            r.Value.State switch
            {
                BackendRegistry.Up => SlotState.Up,
                BackendRegistry.Drain => SlotState.Drain,
                BackendRegistry.Down => SlotState.Down,
                _ => SlotState.Free,
            },
            r.Value.Weight, registry.DrainLeft(r.Key, now))),
    ];
}
