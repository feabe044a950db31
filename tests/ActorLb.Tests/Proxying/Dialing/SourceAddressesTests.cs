using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Proxying.Dialing;

namespace ActorLb.Tests.Proxying.Dialing;

public sealed class SourceAddressesTests
{
    private static readonly NetEndPoint Broker = NetEndPoint.From(IPAddress.Parse("10.9.9.9"), 1883);

    private static SourceAddresses Create(int ports, params (string Address, double? Share)[] sources) => SourceAddresses.Create(
        [.. sources.Select(s => new SourceAddressOptions(IPAddress.Parse(s.Address), s.Share))], ports)!;

    private static IEnumerable<NetEndPoint> Clients(int count) =>
        Enumerable.Range(0, count).Select(i => NetEndPoint.From(new IPAddress(0x0100_000aL + ((long)(i % 250) << 24)), 1024 + (i / 250)));

    [Fact]
    public void Choose_FiveEqualShares_SpreadsAsSplitClientsDoes()
    {
        var sources = Create(
            1000, ("10.211.55.5", 20), ("10.211.55.20", 20), ("10.211.55.21", 20), ("10.211.55.22", 20), ("10.211.55.23", null));
        int[] counts = new int[5];
        foreach (var client in Clients(50_000)) counts[sources.Choose(client, Broker)]++;
        Assert.All(counts, c => Assert.InRange(c, 9_500, 10_500));
    }

    [Fact]
    public void Choose_UnequalShares_FollowsThem()
    {
        var sources = Create(1000, ("127.0.0.2", 70), ("127.0.0.3", null), ("127.0.0.4", null));
        int[] counts = new int[3];
        foreach (var client in Clients(40_000)) counts[sources.Choose(client, Broker)]++;
        Assert.InRange(counts[0], 27_400, 28_600);
        Assert.InRange(counts[1], 5_600, 6_400);
        Assert.InRange(counts[2], 5_600, 6_400);
    }

    [Fact]
    public void Choose_SameClient_SameSource()
    {
        var sources = Create(1000, ("127.0.0.2", null), ("127.0.0.3", null));
        foreach (var client in Clients(100)) Assert.Equal(sources.Choose(client, Broker), sources.Choose(client, Broker));
    }

    [Fact]
    public void Choose_MixedFamilies_TakesTheDestinations()
    {
        var sources = Create(1000, ("127.0.0.2", 90), ("::1", null));
        var six = NetEndPoint.From(IPAddress.IPv6Loopback, 1883);
        foreach (var client in Clients(50))
        {
            Assert.Equal(1, sources.Choose(client, six));
            Assert.Equal(0, sources.Choose(client, Broker));
        }
        Assert.Equal(-1, Create(10, ("127.0.0.2", null)).Choose(Clients(1).First(), six));
    }

    [Fact]
    public void Enter_ByPair_CountsEachDestinationAlone()
    {
        var sources = Create(100, ("127.0.0.2", null), ("127.0.0.3", null));
        var other = NetEndPoint.From(IPAddress.Parse("10.9.9.9"), 1884);
        for (int i = 1; i <= 95; i++) Assert.Equal(i, sources.Enter(0, Broker));
        Assert.Equal(1, sources.Enter(0, other));
        Assert.Equal(1, sources.Enter(1, Broker));
        Assert.True(sources.IsNearlyFull(95));
        Assert.False(sources.IsNearlyFull(90));
        sources.Leave(0, Broker);
        Assert.Contains(sources.Held(), h => h.Held == 94);
    }

    [Fact]
    public void Create_NothingConfigured_LeavesItToTheKernel() => Assert.Null(SourceAddresses.Create(ImmutableArray<SourceAddressOptions>.Empty, 10));
}
