using System.Collections.Immutable;
using ActorLb.Cluster;

namespace ActorLb.Tests.Cluster;

public sealed class MovePlanTests
{
    private const int Shards = 4096;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Fresh_EveryShardSeated_Evenly(int nodes)
    {
        var map = Settle(ShardMap.None, Members(nodes), out _);

        for (var i = 0; i < nodes; i++)
        {
            Assert.InRange(map.Shards.Count(s => s.Owner == i), (Shards / nodes) - nodes, (Shards / nodes) + 1);
        }

        Assert.All(map.Shards, s => Assert.True(s.Owner >= 0 && (nodes == 1 ? s.Replica == -1 : s.Replica >= 0 && s.Replica != s.Owner)));
    }

    [Fact]
    public void Weights_ShareAccordingly()
    {
        var members = Members(3).SetItem(0, Members(3)[0] with { Weight = 2 });
        var map = Settle(ShardMap.None, members, out _);

        Assert.InRange(map.Shards.Count(s => s.Owner == 0), 2044, 2049);
    }

    [Fact]
    public void Zones_ReplicaInAnother()
    {
        var members = Members(4).Select((m, i) => m with { Zone = i < 2 ? "a" : "b" }).ToImmutableArray();
        var map = Settle(ShardMap.None, members, out _);

        Assert.All(map.Shards, s => Assert.NotEqual(members[s.Owner].Zone, members[s.Replica].Zone));
    }

    [Fact]
    public void Join_MovesLittleMoreThanTheShare_InFewTables()
    {
        var three = Settle(ShardMap.None, Members(3), out _);
        var four = Settle(three, Members(4), out var most);

        var moved = Enumerable.Range(0, Shards).Count(i => three.NodeAt(three.Shards[i].Owner) != four.NodeAt(four.Shards[i].Owner));
        Assert.InRange(moved, Shards / 4 * 9 / 10, Shards / 4 * 13 / 10);
        Assert.InRange(most, 1, MovePlan.MaxMoves);
    }

    [Fact]
    public void Crash_PromotesReplicasAtOnce()
    {
        var three = Settle(ShardMap.None, Members(3), out _);
        var next = MovePlan.Next(three, Members(2), NoOne, (_, _) => false, true, Shards, three.Epoch, 1)!;

        Assert.True(next.Epoch > three.Epoch);
        for (var i = 0; i < Shards; i++)
        {
            var old = three.Shards[i];
            var expected = old.Owner == 2 ? old.Replica : old.Owner;
            Assert.Equal(three.NodeAt(expected), next.NodeAt(next.Shards[i].Owner));
            Assert.True(next.Shards[i].Replica >= 0);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void Crash_TakesAHandfulOfTables(int nodes)
    {
        var map = Settle(ShardMap.None, Members(nodes), out _);
        var wish = Placement.Wish(Members(nodes - 1), Shards);
        var tables = 0;
        var copied = new HashSet<(PeerId, int)>(Enumerable.Range(0, Shards).Select(i => (map.NodeAt(map.Shards[i].Replica)!.Value, i)));

        // Copies come in one after another, as they do: a plan is asked for whenever a few more are complete.
        for (var step = 0; step < 4 * Shards; step++)
        {
            var seats = map;
            foreach (var i in Enumerable.Range(0, Shards).Where(i => Missing(seats, i)).Take(12).ToArray())
            {
                copied.Add((seats.NodeAt(seats.Shards[i].Replica)!.Value, i));
                copied.Add((seats.NodeAt(seats.Shards[i].Next) ?? default, i));
            }

            bool Has(PeerId id, int shard) => seats.NodeAt(seats.Shards[shard].Owner) == id || copied.Contains((id, shard));
            if (MovePlan.Next(map, Members(nodes - 1), NoOne, Has, patient: true, Shards, map.Epoch, 1, wish) is { } next)
            {
                tables++;
                map = next;
            }
            else if (!Enumerable.Range(0, Shards).Any(i => Missing(map, i)))
            {
                break;
            }
        }

        Assert.Null(MovePlan.Next(map, Members(nodes - 1), NoOne, (_, _) => true, false, Shards, map.Epoch, 1));
        Assert.InRange(tables, 1, 6);

        bool Missing(ShardMap seats, int i) =>
            (seats.NodeAt(seats.Shards[i].Replica) is { } r && !copied.Contains((r, i))) || (seats.NodeAt(seats.Shards[i].Next) is { } n && !copied.Contains((n, i)));
    }

    [Fact]
    public void Leave_NeverGivesUpTheLastCompleteCopy()
    {
        var members = Members(3);
        var map = Settle(ShardMap.None, members, out _);
        var leaving = members.SetItem(2, members[2] with { Leaving = true });
        for (var step = 0; step < 500 && map.Shards.Any(s => s.Holds(2)); step++)
        {
            var before = map;
            var complete = (PeerId id, int shard) => before.Shards[shard].Holds(before.IndexOf(id));
            map = MovePlan.Next(map, leaving, NoOne, complete, true, Shards, map.Epoch, 1) ?? map;
            for (var i = 0; i < Shards; i++)
            {
                var owner = map.NodeAt(map.Shards[i].Owner);
                Assert.True(before.Shards[i].Holds(before.IndexOf(owner!.Value)), $"shard {i} got an owner without a copy");
            }
        }

        Assert.DoesNotContain(map.Shards, s => s.Holds(2));
    }

    [Fact]
    public void Leave_CopiesInBounds_AndGivesToCompleteReplicasBesides()
    {
        var members = Members(3);
        var map = Settle(ShardMap.None, members, out _);
        var leaving = members.SetItem(2, members[2] with { Leaving = true });
        var tables = 0;
        var copies = 0;
        while (map.Shards.Any(s => s.Holds(2)))
        {
            var before = map;
            map = MovePlan.Next(map, leaving, NoOne, (id, i) => before.Shards[i].Holds(before.IndexOf(id)), true, Shards, map.Epoch, 1)!;
            tables++;
            copies += map.Shards.Count(s => s.Next >= 0);
            Assert.InRange(map.Shards.Count(s => s.Next >= 0), 0, MovePlan.MaxMoves);
            var given = Enumerable.Range(0, Shards).Count(i => before.Shards[i] is { Owner: 2, Next: -1 } && map.Shards[i].Owner != 2);
            Assert.InRange(given, tables == 1 ? MovePlan.MaxSwaps : 0, MovePlan.MaxSwaps);
        }

        // Every table but the last few begins as many copies as may be.
        Assert.InRange(tables, 1, (copies / MovePlan.MaxMoves) + 4);
    }

    [Fact]
    public void Settled_NothingToDo()
    {
        var map = Settle(ShardMap.None, Members(5), out _);

        Assert.Null(MovePlan.Next(map, Members(5), NoOne, (_, _) => true, false, Shards, map.Epoch, 1));
        Assert.NotNull(MovePlan.Next(map, Members(5), NoOne, (_, _) => true, false, Shards, map.Epoch + 1, 1));
    }

    [Fact]
    public void Absent_ButNotGivenUp_KeepsItsSeats()
    {
        var map = Settle(ShardMap.None, Members(3), out _);
        var kept = new HashSet<PeerId> { map.Nodes[1].Id };

        Assert.Equal(3, MovePlan.Next(map, [Members(3)[0], Members(3)[2]], kept, (_, _) => true, false, Shards, map.Epoch + 1, 1)!.Nodes.Length);
    }

    [Fact]
    public void Map_EncodedAndDecoded_IsTheSame()
    {
        var map = Settle(ShardMap.None, Members(3), out _);
        var bytes = map.Encode();
        var read = ShardMap.TryDecode(bytes, Shards, out _)!;

        Assert.InRange(bytes.Length, 24_000, 25_000);
        Assert.Equal(map.Epoch, read.Epoch);
        Assert.Equal(map.Nodes, read.Nodes);
        Assert.Equal(map.Shards, read.Shards);
    }

    [Fact]
    public void Map_Damaged_IsRefusedWithAReason()
    {
        var bytes = Settle(ShardMap.None, Members(2), out _).Encode();
        var random = new Random(4);
        for (var n = 0; n < bytes.Length; n += 97)
        {
            Assert.Null(ShardMap.TryDecode(bytes.AsSpan(0, n), Shards, out var reason));
            Assert.NotEmpty(reason);
        }

        for (var i = 0; i < 5_000; i++)
        {
            var bad = bytes.ToArray();
            bad[random.Next(60)] = (byte)random.Next(256);
            var map = ShardMap.TryDecode(bad, Shards, out _);
            Assert.True(map is null || map.Shards.All(s => s.Owner < map.Nodes.Length));
        }

        Assert.Null(ShardMap.TryDecode("""{"epoch": 3, "nodes": []}"""u8, Shards, out var json));
        Assert.Contains("version", json, StringComparison.Ordinal);
        Assert.Null(ShardMap.TryDecode(bytes, 64, out var count));
        Assert.Contains("4096 shards", count, StringComparison.Ordinal);
    }

    [Fact]
    public void Epoch_Grows_AndTellsTheWriter()
    {
        var first = ShardMap.NextEpoch(0, 0xABC);
        Assert.Equal((1UL, 0xABCUL), (ShardMap.Number(first), first & 0xFFF));
        Assert.True(ShardMap.NextEpoch(first, 0) > first);
        Assert.NotEqual(ShardMap.NextEpoch(first, 1), ShardMap.NextEpoch(first, 2));
    }

    [Fact]
    public void Rendezvous_FollowsWeights()
    {
        var wins = 0;
        for (var key = 0UL; key < 30_000; key++)
        {
            wins += Rendezvous.Draw(key, 1, 2) < Rendezvous.Draw(key, 2, 1) ? 1 : 0;
        }

        Assert.InRange(wins, 19_600, 20_400);
    }

    private static readonly HashSet<PeerId> NoOne = [];

    private static ImmutableArray<Member> Members(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new Member($"lb-{i}", (ulong)i + 1, $"10.0.0.{i}:7946", null, 1, 0, false))];

    /// <summary>Plans on, every copy being complete as soon as it is wished, until nothing is to be done.</summary>
    private static ShardMap Settle(ShardMap map, ImmutableArray<Member> members, out int most)
    {
        most = 0;
        for (var step = 0; step < 500; step++)
        {
            var next = MovePlan.Next(map, members, NoOne, (_, _) => true, false, Shards, map.Epoch, 1);
            if (next is null)
            {
                return map;
            }

            map = next;
            most = Math.Max(most, map.Shards.Count(s => s.Next >= 0));
        }

        throw new InvalidOperationException("It never comes to rest.");
    }
}
