using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Effective;

namespace ActorLb.Tests.Configuration;

/// <summary>Every file in hocon/ loads, survives being rendered, and says what its name promises.</summary>
public sealed class ExampleFileTests
{
    public static TheoryData<string> Names =>
        [.. Directory.GetFiles(HoconFolder.Root(), "*.conf").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Names))]
    public void Example_Loaded_IsValidWithoutWarnings(string name)
    {
        using var folder = HoconFolder.Copy(name, out string text);
        var environment = new Dictionary<string, string> { ["ACTORLB_ADDRESS"] = "10.0.0.11:7946" };
        var result = folder.Load(text, environment);

        Assert.Empty(result.Errors);
        Assert.Empty(result.Warnings);
        Assert.NotEmpty(result.Options!.Listeners);
    }

    [Theory, MemberData(nameof(Names))]
    public void Example_RenderedAndLoadedAgain_IsTheSame(string name)
    {
        using var folder = HoconFolder.Copy(name, out string text);
        var options = folder.LoadValid(text);
        string rendered = EffectiveConfiguration.Render(options, showSecrets: true);

        var again = folder.LoadValid(rendered);

        Assert.Equal(rendered, EffectiveConfiguration.Render(again, showSecrets: true));
        Assert.True(ConfigurationDiff.Between(options, again).IsEmpty);
    }

    [Fact]
    public void Quickstart_Loaded_HasThreeBrokersBehindOneAddress()
    {
        var options = Load("quickstart.conf");

        Assert.Equal(IPEndPoint.Parse("127.0.0.1:1883"), options.Listeners["mqtt"].Bind);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:8888"), options.Admin.Bind);
        Assert.Equal([1884, 1885, 1886], options.Pools["emqx"].Backends.Select(b => b.Address.Port));
    }

    [Fact]
    public void Quickstart_WithPortsInTheEnvironment_TakesThem()
    {
        var options =
            Load("quickstart.conf", new Dictionary<string, string> { ["ACTORLB_PORT"] = "2883", ["ACTORLB_ADMIN_PORT"] = "2888" });

        Assert.Equal(2883, options.Listeners["mqtt"].Bind.Port);
        Assert.Equal(2888, options.Admin.Bind.Port);
    }

    [Fact]
    public void Tcp_Loaded_HasDownAndBackupAndProxyProtocol()
    {
        var options = Load("tcp.conf");
        var pool = options.Pools["emqx"];

        Assert.Equal(2, pool.Backends[0].MaxFails);
        Assert.True(pool.Backends[1].Down);
        Assert.True(pool.Backends[2].Backup);
        Assert.Equal(ProxyProtocolVersion.V1, pool.ProxyProtocol);
        Assert.Equal(3 << 20, pool.BufferSize);
        Assert.Equal(TimeSpan.FromMinutes(30), options.Listeners["mqtt"].IdleTimeout);
    }

    [Fact]
    public void MutualTls_Loaded_DemandsCertificates()
    {
        var tls = Load("mutual-tls.conf").Listeners["mqtts"].Tls!;

        Assert.Equal(VerifyClient.On, tls.VerifyClient);
        Assert.EndsWith("certs/ca.pem", tls.ClientCa, StringComparison.Ordinal);
        Assert.Equal(1, tls.VerifyDepth);
    }

    [Theory]
    [InlineData("weighted.conf", BalanceKind.RoundRobin)]
    [InlineData("ip-hash.conf", BalanceKind.IpHash)]
    [InlineData("least-connections.conf", BalanceKind.LeastConnections)]
    [InlineData("sticky-hash.conf", BalanceKind.Hash)]
    [InlineData("sticky.conf", BalanceKind.Sticky)]
    [InlineData("fleet.conf", BalanceKind.Sticky)]
    internal void Strategy_Loaded_IsThatOfItsName(string name, BalanceKind expected) =>
        Assert.Equal(expected, Load(name).Pools["emqx"].Balance);

    [Theory]
    [InlineData("websocket.conf", "ws", false)]
    [InlineData("websocket-tls.conf", "wss", true)]
    public void WebSocket_Loaded_SpeaksItOnBothSides(string name, string listener, bool tls)
    {
        var options = Load(name);

        Assert.Equal("/mqtt", options.Listeners[listener].WebSocket!.Path);
        Assert.Equal(["mqtt.example.com"], options.Listeners[listener].WebSocket!.Hosts);
        Assert.Equal(tls, options.Listeners[listener].Tls is not null);
        Assert.Equal("/mqtt", options.Pools["emqx-ws"].WebSocketPath);
    }

    [Fact]
    public void ManySourceAddresses_Loaded_LeavesTheRestToTheLast() =>
        Assert.Equal([20d, 20d, 20d, 20d, null], Load("many-source-addresses.conf").Pools["emqx"].SourceAddresses.Select(s => s.Share));

    [Fact]
    public void ClientIdReplacement_Loaded_TakesTheSerial() =>
        Assert.True(Load("client-id-replacement.conf").Listeners["mqtts"].Rewrite.ClientId!.Uses(Variable.SslClientSerial));

    [Fact]
    public void Fleet_Loaded_NamesItsSeeds()
    {
        var options = Load("fleet.conf", new Dictionary<string, string> { ["ACTORLB_NODE"] = "lb-7", ["ACTORLB_ZONE"] = "b" });

        Assert.Equal("lb-7", options.Node.Name);
        Assert.Equal("b", options.Cluster.Zone);
        Assert.Equal(3, options.Cluster.Seeds.Length);
    }

    private static ActorLbOptions Load(string name, IReadOnlyDictionary<string, string>? environment = null)
    {
        using var folder = HoconFolder.Copy(name, out string text);
        return folder.LoadValid(text, environment);
    }
}
