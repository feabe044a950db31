using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Discovery;

public sealed class DiscoveryReportTests
{
    private readonly CollectedLog _log = new();

    /// <summary>Names differ in no more than case, as the merge has it; otherwise each answer would seem to lack what it lists.</summary>
    [Theory]
    [InlineData("Broker1.example.net", false)]
    [InlineData("broker2.example.net", true)]
    public void Answered_NameInAnotherCase_IsListed(string answered, bool kept)
    {
        var pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("broker1.example.net"));
        var options = Pools.Backend("broker1.example.net");
        var report = new DiscoveryReport(pool, static _ => null, _log);
        report.Answered("EMQX", new DiscoveryAnswer([options with { Address = new DnsEndPoint(answered, options.Address.Port) }]));
        Assert.Equal(kept, _log.Lines.Any(l => l.Text.Contains("does not list 1 backends that work", StringComparison.Ordinal)));
    }
}
