using ActorLb.Configuration;
using ActorLb.Configuration.Import;

namespace ActorLb.Tests.Configuration.Import;

/// <summary>Files with the habits of real ones: each converts, every directive has its verdict, and the loader accepts the result.</summary>
public sealed class SampleTests
{
    public static TheoryData<string> Names => [.. Directory.GetFiles(ImportedFile.Samples).Select(f => Path.GetFileName(f)).Where(n => !n.StartsWith("wide", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Names))]
    public void Sample_Imported_IsAcceptedAndLosesNothing(string name)
    {
        using var file = ImportedFile.Sample(name);

        Assert.Empty(file.Load().Errors);
        Assert.Empty(file.Result.Remarks);
        Assert.All(file.Result.Directives, d => Assert.NotNull(d.Verdict));
        Assert.DoesNotContain(file.Told, t => t.Contains("unknown to the importer", StringComparison.Ordinal));
        // What was told stands in the result too.
        Assert.All(file.Result.Directives.SelectMany(d => d.Advice), a => Assert.Contains(a, file.Text, StringComparison.Ordinal));
        Assert.All(file.Result.Directives.Where(d => d.Verdict == Verdict.NotNeeded), d => Assert.NotEqual("", d.Reason));
    }

    [Theory, MemberData(nameof(Names))]
    public void Sample_Imported_KeepsEveryComment(string name)
    {
        using var file = ImportedFile.Sample(name);
        foreach (string line in File.ReadLines(Path.Combine(ImportedFile.Samples, name)))
        {
            int at = line.IndexOf('#', StringComparison.Ordinal);
            if (at >= 0) Assert.Equal(1, file.Text.Split(line[at..].TrimEnd()).Length - 1);
        }
    }

    [Fact]
    public void WideCommas_Imported_IsAnErrorAtTheFirst()
    {
        var error = Assert.Throws<ImportException>(() => ImportedFile.Sample("wide-commas.haproxy.cfg"));
        Assert.EndsWith("haproxy.cfg:9:25: '，' (U+FF0C) is used where ',' is meant; translated pages and word processors produce such characters", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WideCommas_Mended_AreSticky()
    {
        string text = File.ReadAllText(Path.Combine(ImportedFile.Samples, "wide-commas.haproxy.cfg")).Replace('，', ',');
        using var file = ImportedFile.HAProxy(text);
        Assert.Equal((BalanceKind.Sticky, TimeSpan.FromHours(1), 1 << 20), (file.Options.Pools["brokers"].Balance, file.Options.Sticky.Ttl, file.Options.Sticky.MaxEntries));
    }

    [Fact]
    public void ManyAddresses_Imported_HasSharesAndLimits()
    {
        using var file = ImportedFile.Sample("many-addresses.nginx.conf");
        var pool = file.Options.Pools["pool"];
        var listener = file.Options.Listeners["mqtt"];
        Assert.Equal([25d, 25d, 10.5, null], pool.SourceAddresses.Select(s => s.Share));
        Assert.Equal([0, 1], pool.Backends.Select(b => b.MaxFails));
        Assert.Equal((TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(75)), (pool.Tcp.KeepAlive, pool.Tcp.UserTimeout));
        Assert.Equal((8192, 50, "198.51.100.0/24"), (listener.Backlog, listener.Limits.PerAddressConnections, Assert.Single(listener.Allow).ToString()));
    }

    [Fact]
    public void PlusMqtt_Imported_RewritesAndRemoves()
    {
        using var file = ImportedFile.Sample("plus-mqtt.nginx.conf");
        var rewrite = file.Options.Listeners["mqtts"].Rewrite;
        Assert.Equal(("$ssl_client_serial", "dev/$ssl_client_s_dn", true), (rewrite.ClientId!.Text, rewrite.UserName!.Text, rewrite.RemovesPassword));
        Assert.Equal((VerifyClient.On, CrlCheck.Chain), (file.Options.Listeners["mqtts"].Tls!.VerifyClient, file.Options.Listeners["mqtts"].Tls!.CrlCheck));
        Assert.Equal((BalanceKind.Hash, ProxyProtocolVersion.V1, TimeSpan.FromSeconds(1)), (file.Options.Pools["sticky"].Balance, file.Options.Pools["sticky"].ProxyProtocol, file.Options.Pools["sticky"].ConnectTimeout));
        Assert.Equal(TimeSpan.FromSeconds(30), file.Options.Pools["sticky-2"].Backends[1].SlowStart);
        Assert.Equal("$mqtt_preread_clientid:$remote_addr", file.Options.Listeners["mqtt-1884"].Rewrite.ClientId!.Text);
    }

    [Fact]
    public void Scripted_Imported_TellsEveryScript()
    {
        using var file = ImportedFile.Sample("scripted.nginx.conf");
        string[] told = [.. file.Result.Directives.Where(d => d.Verdict == Verdict.Reported).Select(d => d.Name)];
        Assert.Equal(["load_module", "js_include", "js_set", "keyval_zone", "keyval", "map", "hash", "js_preread", "proxy_pass"], told);
        Assert.Equal((ListenerProtocol.Tcp, "pool_b"), (file.Options.Listeners["tcp"].Protocol, file.Options.Listeners["tcp"].Pool));
        Assert.Contains("pool_a", file.Options.Pools.Keys);
    }

    [Fact]
    public void StreamTlsWs_Imported_HasAllFiveListenersAndThePoolTwice()
    {
        using var file = ImportedFile.Sample("stream-tls-ws.nginx.conf");
        var options = file.Options;
        Assert.Equal(["mqtt", "mqtts", "mqtts-8883", "ws", "wss"], options.Listeners.Keys.Order());
        Assert.Equal((ProxyProtocolVersion.Off, ProxyProtocolVersion.V1), (options.Pools["brokers"].ProxyProtocol, options.Pools["brokers-2"].ProxyProtocol));
        Assert.Equal([(3, 2, false, false, 0), (1, 1, true, false, 0), (1, 1, false, true, 5000)], options.Pools["brokers"].Backends.Select(b => (b.Weight, b.MaxFails, b.Down, b.Backup, b.MaxConnections)));
        Assert.Equal((3 << 20, TimeSpan.FromMinutes(30)), (options.Pools["brokers"].BufferSize, options.Listeners["mqtt"].IdleTimeout));
        Assert.Equal(("/mqtt", "/mqtt", TimeSpan.FromHours(1)), (options.Listeners["wss"].WebSocket!.Path, options.Pools["brokers_ws"].WebSocketPath, options.Listeners["wss"].IdleTimeout));
        Assert.Equal((VerifyClient.Optional, 2, TimeSpan.FromSeconds(15)), (options.Listeners["mqtts"].Tls!.VerifyClient, options.Listeners["mqtts"].Tls!.VerifyDepth, options.Listeners["mqtts"].Tls!.HandshakeTimeout));
        Assert.Equal("127.0.0.1:8888", options.Admin.Bind.ToString());
    }

    [Fact]
    public void EnvResolvers_Imported_KeepsVariablesAndDiscovers()
    {
        using var file = ImportedFile.Sample("env-resolvers.haproxy.cfg");
        var options = file.Options;
        Assert.Contains("bind = \"0.0.0.0:\"${MQTT_PORT}", file.Text, StringComparison.Ordinal);
        Assert.Equal((1883, "b1.example.net"), (options.Listeners["mqtt-in"].Bind.Port, options.Pools["ws_brokers"].Backends[0].Address.Host));
        Assert.Equal(("brokers.internal", TimeSpan.FromSeconds(10)), (((DnsDiscoveryOptions)options.Pools["mqtt-in"].Discovery!).Name, ((DnsDiscoveryOptions)options.Pools["mqtt-in"].Discovery!).Interval));
        Assert.Equal((BalanceKind.LeastConnections, TimeSpan.FromHours(3)), (options.Pools["mqtt-in"].Balance, options.Listeners["mqtt-in"].IdleTimeout));
        Assert.Equal(("ws_brokers", "/mqtt", TimeSpan.FromHours(1)), (options.Listeners["ws"].Pool, options.Listeners["ws"].WebSocket!.Path, options.Listeners["ws"].IdleTimeout));
    }

    [Fact]
    public void ProxyV2_Imported_TellsTheNameOfTheCertificate()
    {
        using var file = ImportedFile.Sample("proxy-v2.haproxy.cfg");
        var options = file.Options;
        Assert.Equal((ProxyProtocolVersion.V2, ProxyTlvs.Ssl), (options.Pools["cluster_cn"].ProxyProtocol, options.Pools["cluster_cn"].ProxyTlvs));
        Assert.Equal((ProbeKind.Tcp, 18083), (options.Pools["cluster_cn"].Health.Probe, options.Pools["cluster_cn"].Health.Port));
        Assert.Equal((false, VerifyClient.Optional), (options.Pools["cluster_cn"].Tls!.Verify, options.Listeners["tls"].Tls!.VerifyClient));
        Assert.StartsWith("ECDHE-ECDSA", options.Listeners["tls"].Tls!.Ciphers, StringComparison.Ordinal);
        Assert.Equal(2, options.Listeners["front"].AcceptProxyFrom.Length);
        Assert.Contains("unused", options.Pools.Keys);
    }

    [Fact]
    public void StickyTable_Imported_IsSticky()
    {
        using var file = ImportedFile.Sample("sticky-table.haproxy.cfg");
        var options = file.Options;
        var pool = options.Pools["mqtt_brokers"];
        Assert.Equal((BalanceKind.Sticky, BalanceKind.RoundRobin, ProxyProtocolVersion.V1), (pool.Balance, pool.Place, pool.ProxyProtocol));
        Assert.Equal((TimeSpan.FromMinutes(30), 102_400), (options.Sticky.Ttl, options.Sticky.MaxEntries));
        Assert.Equal([(5, false, false), (1, true, false), (1, false, true)], pool.Backends.Select(b => (b.Weight, b.Backup, b.Down)));
        Assert.Equal((TimeSpan.FromSeconds(2), 3, 2), (pool.Health.Interval, pool.Health.Fall, pool.Health.Rise));
        Assert.Equal((1_000_000, 2, TimeSpan.FromSeconds(10)), (options.Node.MaxConnections, options.Node.Workers, pool.ConnectTimeout));
        Assert.Equal(("127.0.0.1:9000", LogLevelName.Debug), (options.Admin.Bind.ToString(), options.Log.Level));
        Assert.Equal(["mqtt", "mqtt-8883"], options.Listeners.Keys.Order());
    }
}
