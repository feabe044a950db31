using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Discovery;

public sealed class DiscoveryMergeTests
{
    /// <summary>
    /// Known backends with "+" for one that works, "-" for one that does not, "=" for one that works and that the operator took out; the
    /// answer; what becomes of both. A backup is in capitals.
    /// </summary>
    [Theory]
    [InlineData("", "a b", "a b")]
    [InlineData("a+ b+", "a b c", "a b c")]
    [InlineData("a+ b+ c+", "a b", "a b")]
    // All new: the old ones leave one by one as the new ones work.
    [InlineData("a+ b+", "c d", "c d a b")]
    [InlineData("a+ b+ c- d-", "c d", "c d a b")]
    [InlineData("c+ d- a+ b+", "c d", "c d a b")]
    [InlineData("c+ d+ a+ b+", "c d", "c d")]
    [InlineData("a+ b+ c+ d+ e+ f+ g+ h-", "g h", "g h a b c d")]
    // The old ones fail.
    [InlineData("a- b-", "c d", "c d")]
    [InlineData("a- b+", "c d", "c d b")]
    // One good broker among many strange ones does not stand for those that are missing.
    [InlineData("a+ b+ c+", "a x y z", "a x y z b c")]
    // The answer is smaller, and works: the others were taken out of DNS.
    [InlineData("a+ b+ c+ d+ e+", "a", "a")]
    [InlineData("a+ b+ c+ d+ e+", "x", "x a b c d e")]
    // What the operator took out is not kept, and is not waited for.
    [InlineData("a= b+", "c", "c b")]
    [InlineData("a+ b= c+", "a b", "a b")]
    // Roles: strangers cannot make the brokers that serve their backups either.
    [InlineData("a+ b+", "x A B", "x a b")]
    [InlineData("a+ b+ x+", "x A B", "x A B")]
    [InlineData("a- B+", "x", "x B")]
    [InlineData("a+ B+", "a X", "a X B")]
    [InlineData("a+ B+", "a", "a")]
    [InlineData("A+", "a", "a")]
    // Twice in one answer.
    [InlineData("", "a a b", "a b")]
    public void Next_KnownAndAnswer_Merged(string known, string answer, string expected)
    {
        KnownBackend[] before =
        [
            .. known.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(k => new KnownBackend(Of(k[..1]), k[1] is '+' or '=', k[1] == '+')),
        ];
        var next = DiscoveryMerge.Next(before, [.. answer.Split(' ').Select(Of)]);
        Assert.Equal(expected, string.Join(' ', next.Select(n => n.Backup ? n.Address.Host.ToUpperInvariant() : n.Address.Host)));
    }

    [Fact]
    public void Next_ThousandsOfTargets_BoundedAndThoseKnownFirst()
    {
        KnownBackend[] known = [.. Enumerable.Range(900, 100).Select(i => new KnownBackend(Pools.Backend($"h{i:0000}"), Works: true, Serves: true))];
        ImmutableArray<BackendOptions> answer = [.. Enumerable.Range(0, 4000).Select(i => Pools.Backend($"h{i:0000}"))];

        var next = DiscoveryMerge.Next(known, answer);

        Assert.Equal(DiscoveryMerge.MaxTargets, next.Length);
        Assert.All(known, k => Assert.Contains(k.Options, next));
    }

    /// <summary>One forged answer after another adds no more than one answer's worth beside what serves.</summary>
    [Fact]
    public void Next_EverNewAnswers_PoolStaysBounded()
    {
        KnownBackend[] known = [.. Enumerable.Range(0, 5).Select(i => new KnownBackend(Pools.Backend($"good{i}"), Works: true, Serves: true))];
        for (int round = 0; round < 10; round++)
        {
            var next = DiscoveryMerge.Next(
                known, [.. Enumerable.Range(0, 300).Select(i => Pools.Backend($"bad{round}-{i}"))]);
            known = [.. next.Select(n => new KnownBackend(n, n.Address.Host.StartsWith("good", StringComparison.Ordinal), true))];
            known = [.. known.Select(k => k with { Serves = k.Works })];
            Assert.Equal(DiscoveryMerge.MaxTargets + 5, known.Length);
            Assert.Equal(5, known.Count(k => k.Works));
        }
    }

    private static BackendOptions Of(string name) => Pools.Backend(name.ToLowerInvariant(), backup: char.IsUpper(name[0]));
}
