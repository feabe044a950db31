using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>The invariants that hold once the fleet is quiet.</summary>
internal sealed class SimFinalChecks(SimWorld world, List<SimNode> alive, SimClients clients)
{
    /// <summary>The cap is tight, so an entry may be evicted at any time.</summary>
    public bool EntriesMayGo { get; init; }

    /// <summary>
    /// The memory that a partition's entries may use: 27 bytes each, if it once held all entries of its shard, plus the smallest
    /// table.
    /// </summary>
    public static long BytesOf(SimNode node) => (27 * (node.Map.Context.Rules.MaxPerShard + 1)) + (16 * 10);

    public void Check()
    {
        clients.CheckNothingPending();
        if (!IsSettled(alive, out string? why))
        {
            world.Fail($"the fleet did not come to rest: {why} (rule 5){Environment.NewLine}{string.Join(Environment.NewLine, alive.Select(Describe))}");
        }

        foreach (var node in alive)
        {
            // A copy that has applied all changes always equals its owner: the comparison by digests is a safety net that must
            // never find a difference.
            if (node.Map.Counters.DigestMismatches > 0)
            {
                world.Fail($"{node} found its copy to differ from the owner's {node.Map.Counters.DigestMismatches} times (rule 5)");
            }

            if (!node.HasToldItsSessions)
            {
                world.Fail($"{node} has something left to tell (rule 5)");
            }
        }

        foreach (var client in clients.All.Where(_ => !EntriesMayGo))
        {
            CheckSession(client);
        }

        foreach (var client in clients.All.Where(c => alive.Select(n => SimClients.FallbackOf(n, c.H)).Distinct().Count() != 1))
        {
            world.Fail($"nodes fall back to different backends for client {client.H:x} (rule 10)");
        }
    }

    /// <summary>The same directory on all nodes, every shard open on its desired node, and its replica equal to it.</summary>
    public static bool IsSettled(List<SimNode> alive, out string why)
    {
        why = "";
        if (alive.Count == 0 || alive.Find(n => n.Map.Members?.All.Length != alive.Count || !n.Map.Members.AreAllReachable) is { } stranger)
        {
            why = "not everybody is a member";
            return false;
        }

        var desired = Placement.Owners(alive[0].Map.Members!, Simulation.Shards);
        for (int number = 0; number < Simulation.Shards; number++)
        {
            var seats = alive[0].Map.Directory[number];
            var owners = alive.FindAll(n => n.Map.Shards[number].Serves);
            if (owners.Count != 1 || seats?.Owner != owners[0].Id || desired[number] != seats.Owner || seats.Next is not null)
            {
                why = $"shard {number} is open on {string.Join(", ", owners)}, should be on {desired[number]}: {seats}";
                return false;
            }

            if (alive.Find(n => n.Map.Directory[number] != seats) is { } other)
            {
                why = $"{other} knows {other.Map.Directory[number]}, {alive[0]} knows {seats}";
                return false;
            }

            var replica = alive.Find(n => n.Id == seats.Replica)?.Map.Shards[number];
            if (alive.Count > 1 && (replica is not { Synced: true } || !seats.ReplicaIsComplete
                || DigestOf(replica) != DigestOf(owners[0].Map.Shards[number])))
            {
                why = $"the replica of shard {number} differs from its owner: {seats}, synced {replica?.Synced}";
                return false;
            }
        }

        return true;
    }

    public static BackendRef Mapping(List<SimNode> alive, ulong h) => alive.Find(n => n.Map.Shards[n.Map.Context.ShardOf(h)].Serves)?.Map.Peek(h) ?? default;

    public static string DigestOf(MapShard shard)
    {
        Span<ulong> lanes = stackalloc ulong[16];
        string text = "";
        foreach (var partition in shard.Partitions)
        {
            partition.Store.Digest(lanes);
            ulong value = 0UL;
            foreach (ulong lane in lanes)
            {
                value ^= lane;
            }

            text += $"{partition.Store.Table.Count}:{value:x} ";
        }

        return text;
    }

    private static string Describe(SimNode node) =>
        $"{node} {node.Id} of {string.Join(", ", node.Map.Members?.All.Select(m => $"{m}") ?? [])}: "
        + string.Join("; ", node.Map.Shards.ToArray().Select(s =>
            $"{s.Number} {s.Phase} {ShardEpoch.Number(s.HeldEpoch)}/{ShardEpoch.Number(s.Highest)}.{s.Sequence}{(s.Synced ? " synced" : "")}{(s.MustOffer ? " offers" : "")} of {s.Seats?.Owner}"));

    private void CheckSession(SimClient client)
    {
        if (client.Node is not { IsAlive: true } node || !node.Slots.IsKept(client.Backend))
        {
            return;
        }

        var mapping = Mapping(alive, client.H);
        if (mapping != client.Backend && !client.Tied.Contains(mapping))
        {
            world.Fail(
                $"client {client.H:x} of shard {node.Map.Context.ShardOf(client.H)} lives on {client.Backend} since {client.Opened} through {node}, "
                + $"the map says {mapping} (rule 5)");
        }
    }
}

internal enum CalmEvent { Crash, Leave, Join, Restart, ActorFails }

/// <summary>Single events in a quiet fleet, in which nothing may be lost. Each gets time to complete before the next.</summary>
internal sealed class SimCalmEvents(SimWorld world, SimClients clients, Func<List<SimNode>> alive)
{
    private const long Quiet = 4500;
    private const long Recovery = 3000;

    public void Plan(Action<CalmEvent, SimNode> cause, Func<bool> isCalm, Action<long> stayCalmUntil, Action<string> happens)
    {
        stayCalmUntil(world.Now + Recovery + 100 + Quiet + 100);
        world.In(Recovery, () =>
        {
            // Assignments made just before may be lost, within the replication bound.
            clients.IsPaused = true;
            world.In(100, () =>
            {
                clients.IsPaused = isCalm();
                if (clients.IsPaused)
                {
                    var what = (CalmEvent)world.Random.Next(5);
                    happens($"calm {what}");
                    Begin(cause, what);
                }
            });
        });
    }

    private void Begin(Action<CalmEvent, SimNode> cause, CalmEvent what)
    {
        var node = world.Pick(alive());
        var before = clients.All.ToDictionary(c => c, c => SimFinalChecks.Mapping(alive(), c.H));
        cause(what, node);
        world.In(Quiet, () => Compare(node, what, before));
    }

    private void Compare(SimNode node, CalmEvent what, Dictionary<SimClient, BackendRef> before)
    {
        clients.IsPaused = false;
        if (what == CalmEvent.Leave && node.IsAlive)
        {
            world.Fail($"{node} could not leave within {Quiet} ms");
        }

        foreach (var (client, backend) in before)
        {
            var after = SimFinalChecks.Mapping(alive(), client.H);
            if (!backend.IsNone && after != backend && !client.Tied.Contains(backend) && alive().All(n => n.Slots.IsKept(backend)))
            {
                world.Fail(
                    $"client {client.H:x} of shard {node.Map.Context.ShardOf(client.H)} had {backend} before {node}'s {what}, now {after} (rules 4 and 6); "
                    + $"it lives on {client.Backend} since {client.Opened} through {client.Node}");
            }
        }
    }
}
