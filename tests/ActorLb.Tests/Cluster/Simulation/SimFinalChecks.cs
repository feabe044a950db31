using ActorLb.Cluster;
using ActorLb.Sticky;

namespace ActorLb.Tests.Cluster.Simulation;

/// <summary>The rules that hold when quiet has come.</summary>
internal sealed class SimFinalChecks(SimWorld world, List<SimNode> alive, SimClients clients)
{
    /// <summary>The cap is tight: an entry may be pushed out at any time.</summary>
    public bool EntriesMayGo { get; init; }

    /// <summary>What the entries of a shard may take: 27 bytes each, and the smallest table.</summary>
    public static long BytesOf(SimNode node) => (27 * (node.Region.Context.Rules.MaxPerShard + 1)) + (16 * 10);

    public void Check()
    {
        clients.CheckNothingPending();
        if (!IsSettled(alive, out var why))
        {
            world.Fail($"the fleet did not come to rest: {why} (rule 7)");
        }

        foreach (var node in alive)
        {
            // A copy that has applied all changes is equal to its owner at every moment: the comparison is a safety net that finds nothing.
            if (node.Region.Context.Counters.DigestMismatches > 0)
            {
                world.Fail($"{node.Id.Name}#{node.Process} found its copy to differ from the owner's {node.Region.Context.Counters.DigestMismatches} times (rule 7)");
            }

            CheckEntries(node);
            CheckReports(node);
        }

        foreach (var client in clients.All.Where(_ => !EntriesMayGo))
        {
            CheckSession(client);
        }

        CheckFallback();
    }

    /// <summary>One table everywhere, every shard served by its owner, and its replica equal to it.</summary>
    public static bool IsSettled(List<SimNode> alive, out string why)
    {
        why = "";
        if (alive.Count == 0)
        {
            why = "nobody is alive";
            return false;
        }

        var map = alive[0].Region.Context.View.Map;
        foreach (var node in alive)
        {
            var theirs = node.Region.Context.View.Map;
            if (theirs.Epoch != map.Epoch || map.IndexOf(node.Id) < 0)
            {
                why = $"{node.Id.Name}#{node.Process} has table {theirs.Epoch}, {alive[0].Id.Name}#{alive[0].Process} has {map.Epoch}";
                return false;
            }
        }

        for (var shard = 0; shard < map.Shards.Length; shard++)
        {
            var seats = map.Shards[shard];
            var owner = alive.Find(n => n.Id == map.NodeAt(seats.Owner));
            var replica = alive.Find(n => n.Id == map.NodeAt(seats.Replica));
            if (owner is null || !owner.Region.Shards[shard].Serves || seats.Next >= 0)
            {
                why = $"shard {shard} is not served or moves: {seats}";
                return false;
            }

            if (alive.Count > 1 && (replica is null || !replica.Region.Shards[shard].Synced || !Same(owner, replica, shard)))
            {
                why = $"the replica of shard {shard} differs from its owner: {seats}, synced {replica?.Region.Shards[shard].Synced}";
                return false;
            }
        }

        return true;
    }

    public static BackendRef Mapping(List<SimNode> alive, ulong h)
    {
        var shard = (int)(h >> (64 - Simulation.ShardBits));
        var owner = alive.Find(n => n.Region.Shards[shard].Serves);
        return owner is null ? BackendRef.None : owner.Region.Shards[shard].Store.Peek(h, owner.Region.Context.Clock.Ticks);
    }

    private static bool Same(SimNode owner, SimNode replica, int shard)
    {
        Span<ulong> a = stackalloc ulong[16];
        Span<ulong> b = stackalloc ulong[16];
        owner.Region.Shards[shard].Store.Digest(a);
        replica.Region.Shards[shard].Store.Digest(b);
        return a.SequenceEqual(b) && owner.Region.Shards[shard].Store.Table.Count == replica.Region.Shards[shard].Store.Table.Count;
    }

    private void CheckEntries(SimNode node)
    {
        foreach (var shard in node.Region.Shards)
        {
            if (shard.Store.Table.Count > node.Region.Context.Rules.MaxPerShard)
            {
                world.Fail($"{node.Id.Name}#{node.Process} holds {shard.Store.Table.Count} entries of shard {shard.Number} (rule 11)");
            }
        }
    }

    private void CheckSession(SimClient client)
    {
        if (client.Node is not { IsAlive: true } node || !node.Slots.IsKept(client.Backend))
        {
            return;
        }

        var mapping = Mapping(alive, client.H);
        if (mapping != client.Backend)
        {
            world.Fail(
                $"client {client.H:x} lives on {client.Backend} since {client.Opened} through {node.Id.Name}#{node.Process}, "
                + $"the map says {mapping} (rule 7)");
        }
    }

    private void CheckReports(SimNode node)
    {
        foreach (var group in clients.All.Where(c => c.IsConnected && c.Node != node).GroupBy(c => c.Backend))
        {
            var told = node.Control.Reports.Report.ConnectionsOf(group.Key.Value);
            if (told != group.Count())
            {
                world.Fail($"{node.Id.Name}#{node.Process} counts {told} others' connections to {group.Key}, there are {group.Count()}, and hears {node.Control.Reports.Report.LiveNodes} nodes of {alive.Count} (rule 10)");
            }
        }

        if (node.Control.Reports.Report.LiveNodes != alive.Count || node.Control.Reports.Report.Down.Count != 0)
        {
            world.Fail($"{node.Id.Name}#{node.Process} hears {node.Control.Reports.Report.LiveNodes} nodes of {alive.Count} (rule 10)");
        }
    }

    private void CheckFallback()
    {
        foreach (var client in clients.All)
        {
            var picks = alive.Select(n => SimClients.FallbackOf(n, client.H)).Distinct().Count();
            if (picks != 1)
            {
                world.Fail($"nodes fall back to {picks} different backends for client {client.H:x} (rule 12)");
            }
        }
    }
}

/// <summary>Single events into a fleet at rest, where nothing may be lost: the fleet gets time to answer them alone.</summary>
internal sealed class SimCalmEvents(SimWorld world, SimClients clients, Func<List<SimNode>> alive)
{
    private const long Quiet = 4500;

    /// <summary>Time in which leases that were in danger are renewed or lost.</summary>
    private const long Recovery = 3000;

    public void Plan(Action<SimNode, bool> crash, Action<SimNode> leave, Func<bool> isCalm, Action<long> stayCalmUntil)
    {
        stayCalmUntil(world.Now + Recovery + 100 + Quiet + 100);
        world.In(Recovery, () =>
        {
            // The replication bound: what was assigned in the last moments before may be lost.
            clients.IsPaused = true;
            world.In(100, () =>
            {
                clients.IsPaused = isCalm();
                if (clients.IsPaused)
                {
                    Begin(crash, leave);
                }
            });
        });
    }

    private void Begin(Action<SimNode, bool> crash, Action<SimNode> leave)
    {
        var node = world.Pick(alive());
        var planned = world.Chance(0.5);
        var before = clients.All.ToDictionary(c => c, c => SimFinalChecks.Mapping(alive(), c.H));
        if (planned)
        {
            leave(node);
        }
        else
        {
            crash(node, false);
        }

        world.In(Quiet, () => Compare(node, planned, before));
    }

    private void Compare(SimNode node, bool planned, Dictionary<SimClient, BackendRef> before)
    {
        clients.IsPaused = false;
        if (planned && node.IsAlive)
        {
            world.Fail($"{node.Id.Name}#{node.Process} could not leave within {Quiet} ms");
        }

        foreach (var (client, backend) in before)
        {
            var after = SimFinalChecks.Mapping(alive(), client.H);
            if (!backend.IsNone && after != backend && alive().All(n => n.Slots.IsKept(backend)))
            {
                world.Fail(
                    $"client {client.H:x} had {backend} before {node.Id.Name}#{node.Process} {(planned ? "left (rule 8)" : "died (rule 6)")}, now {after}; "
                    + $"it lives on {client.Backend} since {client.Opened} through {client.Node?.Id.Name}#{client.Node?.Process}");
            }
        }
    }
}
