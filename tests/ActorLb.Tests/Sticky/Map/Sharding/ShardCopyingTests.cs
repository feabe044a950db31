using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;
using static ActorLb.Tests.Sticky.Map.MapFleet;
using Placement = ActorLb.Sticky.Map.Placement;

namespace ActorLb.Tests.Sticky.Map.Sharding;

/// <summary>Copies: how they are created, follow, fall behind and catch up, and where they are placed.</summary>
public sealed class ShardCopyingTests : IDisposable
{
    private readonly MapFleet _fleet = new("lb-1", "lb-2");

    public void Dispose() => _fleet.Dispose();

    [Fact]
    public void Snapshot_GoesByPartition_ChangesMeanwhileAreNotLost()
    {
        _fleet.Members("lb-1");
        for (int shard = 0; shard < Shards; shard++)
        {
            _fleet["lb-1"].Map.BeginOpen(shard);
        }

        for (ulong i = 0UL; i < 60_000; i++)
        {
            _fleet["lb-1"].Map.GetOrAssign(Key(i), [A], _fleet["lb-1"], 1, out _);
        }

        // During the transfer entries are added, moved and removed.
        ulong turn = 0UL;
        _fleet.Loses = (_, _, m) =>
        {
            if (m is not Announcements)
            {
                turn++;
                _fleet["lb-1"].Map.GetOrAssign(Key(turn + 1_000_000), [B], _fleet["lb-1"], 1, out _);
                _fleet["lb-1"].Map.Reassign(Key(turn % 60_000), A, [B], _fleet["lb-1"], 1, out _);
                _fleet["lb-1"].Map.Impose(Key((turn * 31) % 60_000), BackendRef.None, _fleet["lb-1"], 1, out _);
            }

            return false;
        };
        _fleet.Members("lb-1", "lb-2");
        _fleet.Pass(2000);
        _fleet.Loses = (_, _, _) => false;
        _fleet.Pass(500);

        Assert.True(turn > 20);
        Assert.True(_fleet.Sent.Count(s => s.Message is SnapshotChunk) >= 60_000 / MapLimits.MaxEntries);
        AssertSame();
        Assert.Equal(0, _fleet["lb-2"].Map.Counters.DigestMismatches);
    }

    [Fact]
    public void Snapshot_MessagesAreLost_ItComesAllTheSame()
    {
        var random = new Random(5);
        _fleet.Members("lb-1");
        for (int shard = 0; shard < Shards; shard++)
        {
            _fleet["lb-1"].Map.BeginOpen(shard);
        }

        for (ulong i = 0UL; i < 10_000; i++)
        {
            _fleet["lb-1"].Map.GetOrAssign(Key(i), [A], _fleet["lb-1"], 1, out _);
        }

        _fleet.Loses = (_, _, m) => random.Next(3) == 0;
        _fleet.Members("lb-1", "lb-2");
        for (ulong i = 0UL; i < 2000; i++)
        {
            _fleet["lb-1"].Map.GetOrAssign(Key(i + 1_000_000), [B], _fleet["lb-1"], 1, out _);
            _fleet.Pass(5);
        }

        _fleet.Loses = (_, _, _) => false;
        _fleet.Pass(2000);
        AssertSame();
    }

    [Fact]
    public void Snapshot_AChangeOvertakesItsPartition_ThePartitionIsAskedForAgain()
    {
        var staging = new ShardStaging(new MemberId("lb-1", 1), epoch: 1, follows: true, partitions: 2);
        var entry = new MapEntry((1UL << 63) + 5, A.Value, 0, EntryFlags.None);
        staging.Take(0, new SnapshotPart(0, Sequence: 5, Total: 0, Offset: 0, []), skipBits: 1, now: 0);
        staging.Apply(1, new MapOp(LogOpKind.Put, entry), now: 0);

        // Copied before that change, which arrived when there was no partition to apply it to.
        staging.Take(1, new SnapshotPart(1, Sequence: 5, Total: 0, Offset: 0, []), skipBits: 1, now: 0);
        Assert.Equal((1, false), (staging.Missing, staging.IsComplete));
        staging.Take(1, new SnapshotPart(1, Sequence: 6, Total: 1, Offset: 0, [entry]), skipBits: 1, now: 0);
        Assert.Equal((true, 6UL), (staging.IsComplete, staging.Sequence));
        staging.Drop();
    }

    [Fact]
    public void CopyIsAway_LogOverflows_SnapshotWhenItIsBack()
    {
        _fleet.OpenAll("lb-1", "lb-2");
        _fleet.Loses = (_, to, _) => true;
        for (ulong i = 0UL; i < 5000; i++)
        {
            _fleet["lb-1"].Map.GetOrAssign(Key(i), [A], _fleet["lb-1"], 1, out _);
            _fleet["lb-2"].Map.GetOrAssign(Key(i), [A], _fleet["lb-2"], 1, out _);
        }

        foreach (string? node in new[] { "lb-1", "lb-2" })
        {
            foreach (var shard in _fleet[node].Map.Shards.ToArray().Where(s => s.Serves))
            {
                for (ulong i = 0UL; i < 5000; i++)
                {
                    _fleet[node].Map.GetOrAssign(((ulong)shard.Number << 62) + i, [A], _fleet[node], 1, out _);
                }
            }
        }

        _fleet.Pass(600);
        _fleet.Loses = (_, _, _) => false;
        _fleet.Pass(2000);
        Assert.True(_fleet["lb-1"].Map.Counters.LogOverflows + _fleet["lb-2"].Map.Counters.LogOverflows > 0);
        AssertSame();
    }

    [Fact]
    public void CopyDiffers_TheDigestFindsIt_AndItIsTakenAgain()
    {
        _fleet.OpenAll("lb-1", "lb-2");
        var (owner, replica) = (_fleet.OwnerOf(77), _fleet.ReplicaOf(77));
        owner.Map.GetOrAssign(77, [A], owner, 1, out _);
        _fleet.Pass(100);
        replica.Map.Shards[0].Partition(0).Store.Table.Remove(77);
        _fleet.Pass(61_000);
        Assert.Equal(1, replica.Map.Counters.DigestMismatches);
        Assert.Equal(A, replica.Map.Peek(77));
    }

    [Fact]
    public void Leave_CopiesFirst_OnlyACompleteCopyIsOfferedToMove()
    {
        _fleet.Add("lb-3");
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var owner = _fleet.OwnerOf(77);
        MapMember[] Members() => [.. new[] { "lb-1", "lb-2", "lb-3" }.Select(n => new MapMember(_fleet[n].Id) { IsLeaving = n == owner.Id.Name })];
        _fleet.Loses = (_, _, m) => m is SnapshotChunk;
        _fleet.Change(Members());
        var desired = Placement.Owners(_fleet["lb-1"].Map.Members!, Shards)[0]!.Value;
        Assert.NotEqual(owner.Id, desired);
        _fleet.Loses = (_, _, _) => false;
        _fleet.Pass(1500);

        Assert.All(new[] { "lb-1", "lb-2", "lb-3" }, n => Assert.True(_fleet[n].Map.Directory.IsCompleteAt(0, desired)));
        Assert.DoesNotContain(owner.Map.Directory.Shards, s => s!.Replica == owner.Id && s.ReplicaIsComplete && s.Next is null && s.Owner == owner.Id);
    }

    [Fact]
    public void SomebodyIsUnreachable_NothingMoves()
    {
        _fleet.Add("lb-3");
        _fleet.OpenAll("lb-1", "lb-2");
        var before = _fleet["lb-1"].Map.Directory.Shards.Select(s => (s!.Owner, s.Replica, s.Next)).ToArray();
        _fleet.Change(
            new MapMember(_fleet["lb-1"].Id), new MapMember(_fleet["lb-2"].Id), new MapMember(_fleet["lb-3"].Id) { IsReachable = false });
        _fleet.Pass(1000);
        Assert.Equal(before, _fleet["lb-1"].Map.Directory.Shards.Select(s => (s!.Owner, s.Replica, s.Next)));

        _fleet.Members("lb-1", "lb-2", "lb-3");
        Assert.NotEqual(before, _fleet["lb-1"].Map.Directory.Shards.Select(s => (s!.Owner, s.Replica, s.Next)));
    }

    /// <summary>Distributed like hashes.</summary>
    private static ulong Key(ulong i) => i * 0x9E3779B97F4A7C15UL;

    private void AssertSame()
    {
        foreach (int shard in Enumerable.Range(0, Shards))
        {
            var copies = new[] { "lb-1", "lb-2" }.Select(n => _fleet[n].Map.Shards[shard]).ToArray();
            Assert.True(copies.Single(c => !c.Serves).Synced);
            Assert.Equal(Simulation.SimFinalChecks.DigestOf(copies[0]), Simulation.SimFinalChecks.DigestOf(copies[1]));
        }
    }
}

public sealed class MapPlacementTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void Owners_BoundedToTheirShareAndOne_SameInAnyOrder(int nodes)
    {
        var members = Enumerable.Range(1, nodes).Select(i => new MapMember(new MemberId($"lb-{i}", (ulong)i))).ToArray();
        var owners = Placement.Owners(new MapMembers(members[0].Id, members), 64);
        Assert.Equal(owners, Placement.Owners(new MapMembers(members[^1].Id, members.Reverse()), 64));
        Assert.All(members, m => Assert.InRange(owners.Count(o => o == m.Id), 1, (64 / nodes) + 1));
    }

    [Fact]
    public void Replica_IsWhoeverWouldOwnTheShardWithoutItsOwner()
    {
        var members = Enumerable.Range(1, 5).Select(i => new MapMember(new MemberId($"lb-{i}", (ulong)i))).ToArray();
        var gone = members[2].Id;
        var replicas = Placement.Replicas(new MapMembers(gone, members), gone, 64);
        Assert.Equal(Placement.Owners(new MapMembers(members[0].Id, members.Where(m => m.Id != gone)), 64), replicas);
    }

    [Fact]
    public void Replica_InAnotherZone_LeavingNodesGetNothing()
    {
        MapMember[] members =
        [
            new(new MemberId("lb-1", 1), "a"), new(new MemberId("lb-2", 2), "a"), new(new MemberId("lb-3", 3), "b"),
            new(new MemberId("lb-4", 4), "b") { IsLeaving = true },
        ];
        var all = new MapMembers(members[0].Id, members);
        Assert.All(Placement.Replicas(all, members[0].Id, 64), r => Assert.Equal(members[2].Id, r));
        Assert.All(Placement.Owners(all, 64), o => Assert.NotEqual(members[3].Id, o));
        Assert.All(Placement.Owners(new MapMembers(members[3].Id, [members[3]]), 4), o => Assert.Null(o));
    }

    [Fact]
    public void Weight_DoublesTheShare()
    {
        MapMember[] members = [new(new MemberId("lb-1", 1)), new(new MemberId("lb-2", 2)) { Weight = 2 }];
        var owners = Placement.Owners(new MapMembers(members[0].Id, members), 1024);
        Assert.InRange(owners.Count(o => o == members[1].Id), 640, 684);
    }

    [Fact]
    public void Join_MovesLittleMoreThanTheNewcomersShare()
    {
        var members = Enumerable.Range(1, 5).Select(i => new MapMember(new MemberId($"lb-{i}", (ulong)i))).ToArray();
        var before = Placement.Owners(new MapMembers(members[0].Id, members[..4]), 256);
        var after = Placement.Owners(new MapMembers(members[0].Id, members), 256);
        Assert.InRange(before.Zip(after).Count(p => p.First != p.Second), 30, 256 / 3);
    }
}
