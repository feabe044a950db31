using ActorLb.Sticky;
using static ActorLb.Tests.Sticky.Map.MapFleet;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>All nodes of a fleet read the same list of clients, and each keeps the entries of its own shards.</summary>
public sealed class MapSeedTests : IDisposable
{
    private readonly MapFleet _fleet = new("lb-1", "lb-2", "lb-3");

    public void Dispose() => _fleet.Dispose();

    private static ulong Key(int i) => (ulong)(i + 1) * 0x9E3779B97F4A7C15;

    private SeedResult[] Seed(string node, int from, int count, BackendRef backend) =>
        [.. Enumerable.Range(from, count).Select(i => _fleet[node].Map.Seed(Key(i), backend, _fleet[node].Map.Clock.Milliseconds))];

    [Fact]
    public void Entries_AreMadeByTheOwnersAlone_AndCopied()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        SeedResult[] all = [.. new[] { "lb-1", "lb-2", "lb-3" }.SelectMany(n => Seed(n, 0, 300, A))];
        Assert.Equal((300, 600), (all.Count(r => r == SeedResult.Added), all.Count(r => r == SeedResult.Elsewhere)));
        Assert.All(new[] { "lb-1", "lb-2", "lb-3" }, n => Assert.Contains(true, _fleet[n].Map.Open()));
        _fleet.Pass(200);
        Assert.All(Enumerable.Range(0, 300), i => Assert.Equal(A, _fleet.ReplicaOf(Key(i)).Map.Peek(Key(i))));
        Assert.All(new[] { "lb-1", "lb-2", "lb-3" }, n => Assert.Equal(A, _fleet[n].Ask(Key(7), B).Backend));
    }

    /// <summary>The owner doesn't yet know of a session on another node, and learns of it after reading the list.</summary>
    [Fact]
    public void Entries_YieldToSessionsThatBeganLater_AndNotToTheSessionsOfThisNode()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        ulong h = Key(5);
        var owner = _fleet.OwnerOf(h);
        var other = _fleet[new[] { "lb-1", "lb-2", "lb-3" }.First(n => _fleet[n] != owner)];
        long listed = owner.Map.Clock.Milliseconds;
        _fleet.Pass(5);
        other.Map.Opened(h, B, StickyOutcome.Fallback);
        Assert.Equal(SeedResult.Added, owner.Map.Seed(h, A, listed));
        _fleet.Pass(1000);
        Assert.Equal(B, owner.Map.Peek(h));

        ulong own = Key(6);
        var map = _fleet.OwnerOf(own).Map;
        map.Opened(own, B, StickyOutcome.Local);
        Assert.Equal(SeedResult.Known, map.Seed(own, A, map.Clock.Milliseconds));
        Assert.Equal(B, map.Peek(own));
    }

    [Fact]
    public void Maps_WithoutAShard_TakeNothing()
    {
        _fleet.Members("lb-1", "lb-2", "lb-3");
        Assert.DoesNotContain(true, _fleet["lb-1"].Map.Open());
        Assert.All(Seed("lb-1", 0, 50, A), r => Assert.Equal(SeedResult.Elsewhere, r));
    }
}
