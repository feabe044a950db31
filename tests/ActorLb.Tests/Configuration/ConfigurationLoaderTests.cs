using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Effective;

namespace ActorLb.Tests.Configuration;

/// <summary>What valid files mean; the mistakes are in the Bad...Tests.</summary>
public sealed class ConfigurationLoaderTests : IDisposable
{
    private const string Pool = "pools.p.backends = [\"h:1\"]\n";
    private const string Listener = "listeners.l { bind = \"*:1883\", pool = p }\n";

    private readonly ConfigurationFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Paths_OfAnIncludedFile_AreRelativeToItsDirectory()
    {
        _folder.Write("tls/c.pem", "content");
        _folder.Write("tls/k.pem", "content");
        _folder.Write("tls/tls.conf", "certificate = c.pem, key = k.pem");
        _folder.Write("node/node.conf", "data-dir = state");

        var options = _folder.LoadValid($$"""
            actorlb {
              node { include "node/node.conf" }
              {{Pool}}
              listeners.l { bind = "*:8883", pool = p, tls { include "tls/tls.conf" } }
            }
            """);

        Assert.Equal(Path.Combine(_folder.Directory, "tls/c.pem"), options.Listeners["l"].Tls!.Certificates[0].Certificate);
        Assert.Equal(Path.Combine(_folder.Directory, "node/state"), options.Node.DataDirectory);
        Assert.Equal(Path.Combine(_folder.Directory, "node/state/actorlb.pid"), options.Node.PidFile);
    }

    [Fact]
    public void Error_OfAnIncludedFile_NamesIt()
    {
        _folder.Write("more.conf", "# two\nweight = 0");

        string[] errors = _folder.Errors($"actorlb {{\npools.p.backends = [{{ address = \"h:1\", include \"more.conf\" }}]\n{Listener}}}");

        Assert.Equal(["more.conf:2:10: actorlb.pools.p.backends[0].weight: '0' is not a whole number from 1 to 65535"], errors);
    }

    [Fact]
    public void SyntaxError_IsTheOnlyError() =>
        Assert.Equal(["actorlb.conf:3:1: actorlb.node: a value is missing"], _folder.Errors("actorlb {\n  node =\n}"));

    [Fact]
    public void MissingFile_IsAnError()
    {
        var result = ConfigurationLoader.Load(Path.Combine(_folder.Directory, "none.conf"));

        Assert.Null(result.Options);
        Assert.Equal("none.conf:1:1: cannot read 'DIR/none.conf': it does not exist", _folder.Short(Assert.Single(result.Errors).ToString()));
    }

    [Theory]
    [InlineData("on", true)]
    [InlineData("yes", true)]
    [InlineData("true", true)]
    [InlineData("off", false)]
    [InlineData("no", false)]
    [InlineData("false", false)]
    [InlineData("\"on\"", true)]
    public void Switches_OfEveryWord_AreRead(string word, bool expected) =>
        Assert.Equal(expected, OnePool($"backends = [\"h:1\"], tcp.no-delay = {word}").Tcp.NoDelay);

    [Fact]
    public void Null_IsAsIfTheKeyWereAbsent()
    {
        var options = _folder.LoadValid($"actorlb {{ node {{ name = null, workers = null, data-dir = null }}, log = null\n{Pool}{Listener}}}");

        Assert.Equal(Environment.MachineName, options.Node.Name);
        Assert.Equal(0, options.Node.Workers);
        Assert.Equal(LogLevelName.Info, options.Log.Level);
    }

    [Fact]
    public void Environment_ChangesAValueOfAnotherType()
    {
        string text = $"actorlb {{ node {{ workers = 1, workers = ${{?WORKERS}} }}\n{Pool}{Listener}}}";

        Assert.Equal(1, _folder.LoadValid(text).Node.Workers);
        Assert.Equal(7, _folder.LoadValid(text, new Dictionary<string, string> { ["WORKERS"] = "7" }).Node.Workers);
    }

    [Fact]
    public void Node_WithEveryKey_IsRead()
    {
        var options = _folder.LoadValid($$"""
            actorlb {
              node { name = n-1, workers = 3, data-plane = streams, max-connections = 5, data-dir = /d, drain-timeout = 0s, pid-file = off, will = suppress
                     server-reference = "other:1883" }
              log { level = warn, format = json, access = logs/access.log }
              sticky { ttl = 1h, max-entries = 4096 }
              {{Pool}}{{Listener}}
            }
            """);

        Assert.Equal(
            new NodeOptions("n-1", 3, DataPlaneKind.Streams, 5, 0, "/d", TimeSpan.Zero, null, WillOnDrain.Suppress, "other:1883"), options.Node);
        Assert.Equal(new LogOptions(LogLevelName.Warning, LogFormat.Json, Path.Combine(_folder.Directory, "logs/access.log")), options.Log);
        Assert.Equal(new StickyOptions(TimeSpan.FromHours(1), 4096), options.Sticky);
    }

    [Fact]
    public void Admin_OnAllAddresses_NeedsATokenOrClientCertificates()
    {
        _folder.WriteFiles("token", "c.pem", "k.pem", "ca.pem");

        Assert.EndsWith("/token", Load("admin { bind = \"[::]:8888\", token-file = token }").Admin.TokenFile, StringComparison.Ordinal);
        Assert.NotNull(Load("admin { bind = \"*:8888\", tls { certificate = c.pem, key = k.pem, ca = ca.pem } }").Admin.Tls!.Ca);
        Assert.Equal(IPAddress.IPv6Loopback, Load("admin.bind = \"[::1]:8888\"").Admin.Bind.Address);
        Assert.Equal(IPAddress.Loopback, Load("admin.bind = \"localhost:8888\"").Admin.Bind.Address);
        Assert.Equal(0, Load("admin.bind = \"127.0.0.1:0\"").Admin.Bind.Port);
    }

    [Theory]
    [InlineData("rewrite.client-id = fixed", "3:21: actorlb.listeners.l.rewrite.client-id: 'fixed' gives all clients the same client id: each one disconnects the previous one")]
    [InlineData("rewrite.client-id = \"dev-$server_port\"", "3:21: actorlb.listeners.l.rewrite.client-id: 'dev-$server_port' gives all clients the same client id: each one disconnects the previous one")]
    [InlineData("rewrite.client-id = \"$remote_addr\"", "3:21: actorlb.listeners.l.rewrite.client-id: '$remote_addr' gives all clients behind one address the same client id: each one disconnects the previous one")]
    [InlineData("rewrite.client-id = \"dev-$mqtt_preread_clientid\"", "3:21: actorlb.listeners.l.rewrite.client-id: 'dev-$mqtt_preread_clientid' refuses clients without a client id: with an empty variable all of them would get the same client id")]
    [InlineData("rewrite.client-id = \"$mqtt_preread_username:x\"", "3:21: actorlb.listeners.l.rewrite.client-id: '$mqtt_preread_username:x' refuses clients without a user name: with an empty variable all of them would get the same client id")]
    [InlineData("rewrite.client-id = \"$remote_addr:$remote_port\"", null)]
    [InlineData("rewrite.client-id = \"$mqtt_preread_username\"", null)]
    [InlineData("rewrite.username = fixed", null)]
    [InlineData("require-client-id = fixed", "3:21: actorlb.listeners.l.require-client-id: 'fixed' gives all clients the same client id: each one disconnects the previous one")]
    [InlineData("idle-timeout = 89s", "3:16: actorlb.listeners.l.idle-timeout: '89s' is shorter than 1.5 times the usual Keep Alive of 60s: idle but healthy clients are disconnected; auto uses each client's own Keep Alive")]
    [InlineData("idle-timeout = 90s", null)]
    [InlineData("idle-timeout = off", null)]
    [InlineData("protocol = tcp, idle-timeout = 5s", null)]
    [InlineData("pool = q", "3:8: actorlb.listeners.l.pool: 'q' hashes x$server_addr, which is the same for all clients: all of them go to one backend")]
    public void Listener_ThatConfoundsOrCutsClients_IsAWarning(string listener, string? expected)
    {
        var result = _folder.Load(
            $"actorlb {{ pools {{ p.backends = [\"h:1\"], q {{ backends = [\"h:1\"], balance = hash, hash-key = \"x$server_addr\" }} }}\nlisteners.l {{ bind = 1, pool = p\n{listener}\n}} }}");

        Assert.Empty(result.Errors);
        Assert.Equal(expected is null ? [] : ["actorlb.conf:" + expected], result.Warnings.Select(w => _folder.Short(w.ToString())));
    }

    [Fact]
    public void Certificates_InListsOrOfOneName_AreRenderedAndReadBack()
    {
        _folder.WriteFiles("r.pem", "r.key", "e.pem", "e.key");
        var options = _folder.LoadValid("""
            actorlb { pools.p.backends = ["h:1"], listeners.l { bind = 1, pool = p, tls {
              certificate = [r.pem, e.pem], key = [r.key, e.key], crl-check = chain, crl-expired = warn
              certificates = [{ names = [a], certificate = [r.pem, e.pem], key = [r.key, e.key] }, { names = [b], certificate = r.pem, key = r.key }
                              { names = [b], certificate = e.pem, key = e.key }]
            } } }
            """);
        var tls = options.Listeners["l"].Tls!;
        Assert.Equal(["r.pem", "e.pem", "r.pem", "e.pem", "r.pem", "e.pem"], tls.Certificates.Select(c => Path.GetFileName(c.Certificate)));
        Assert.Equal(["", "", "a", "a", "b", "b"], tls.Certificates.Select(c => string.Join(' ', c.Names)));
        Assert.Equal("actorlb.listeners.l.tls.certificates[0].key[1]", tls.Certificates[3].Paths.Key);
        Assert.Equal((CrlCheck.Chain, CrlExpired.Warn), (tls.CrlCheck, tls.CrlExpired));
        string rendered = EffectiveConfiguration.Render(options);
        Assert.Equal(rendered, EffectiveConfiguration.Render(_folder.LoadValid(rendered)));
    }

    [Fact]
    public void Block_OutsideOfActorlb_IsAWarning()
    {
        var result = _folder.Load($"actorlb {{\n{Pool}{Listener}}}\nlisteners {{ }}\nother = 1");

        Assert.Empty(result.Errors);
        Assert.Equal(
            "actorlb.conf:5:1: listeners: is outside actorlb { ... } and has no effect there",
            _folder.Short(Assert.Single(result.Warnings).ToString()));
    }

    [Theory]
    [InlineData("\"h:1\"", "h", 1)]
    [InlineData("{ address = \"10.0.0.1:65535\" }", "10.0.0.1", 65535)]
    [InlineData("{ address = \"[2001:db8::1]:1883\" }", "2001:db8::1", 1883)]
    [InlineData("\"emqx_1.emqx-net.:1883\"", "emqx_1.emqx-net.", 1883)]
    public void Backend_OfEachForm_IsRead(string text, string host, int port) =>
        Assert.Equal(new DnsEndPoint(host, port), Assert.Single(OnePool($"backends = [{text}]").Backends).Address);

    [Fact]
    public void Backends_WithNumericKeys_AreAnArray() =>
        Assert.Equal([2, 1], OnePool("backends { 1 = \"h:1\", 0 = \"h:2\" }").Backends.Select(b => b.Address.Port));

    [Fact]
    public void Backends_ByDns_HaveATemplate()
    {
        var pool = OnePool("backends { dns = emqx-headless, port = 1884, srv = on, interval = 5s, weight = 7, max-fails = 0, slow-start = 10s }");

        Assert.Empty(pool.Backends);
        Assert.Equal(
            new DnsDiscoveryOptions(
                "emqx-headless", 1884, true, TimeSpan.FromSeconds(5),
                new BackendOptions(
                    new DnsEndPoint("emqx-headless", 1884), 7, 0, TimeSpan.FromSeconds(10), 0, TimeSpan.FromSeconds(10), false, false)),
            pool.Discovery);
    }

    [Fact]
    public void Backends_ByEmqx_HaveATemplate_AndAreWrittenBackAsTheyWere()
    {
        _folder.WriteFiles("emqx.key", "ca.pem");
        const string text = """
            balance = sticky
            backends {
              emqx { api = ["https://emqx1:18083", "http://10.0.0.2:18083/emqx/"], key-file = emqx.key, ca = ca.pem, verify = off, seed = on }
              port = 1884, interval = 5s, weight = 7
            }
            """;
        var pool = OnePool(text);

        Assert.Empty(pool.Backends);
        var emqx = Assert.IsType<EmqxDiscoveryOptions>(pool.Discovery);
        Assert.Equal(["https://emqx1:18083", "http://10.0.0.2:18083/emqx/"], emqx.Apis.Select(a => a.OriginalString));
        Assert.Equal((Path.Combine(_folder.Directory, "emqx.key"), Path.Combine(_folder.Directory, "ca.pem"), false, true), (emqx.KeyFile, emqx.Ca, emqx.Verify, emqx.Seed));
        Assert.Equal((1884, TimeSpan.FromSeconds(5), 7), (emqx.Port, emqx.Interval, emqx.Template.Weight));
        // A reload without a change asks nothing anew.
        var again = OnePool(text);
        Assert.Equal(emqx, again.Discovery);
        Assert.Equal(emqx.GetHashCode(), again.Discovery!.GetHashCode());
        Assert.NotEqual(emqx, emqx with { Apis = [emqx.Apis[1], emqx.Apis[0]] });
    }

    [Fact]
    public void Backends_ByEmqx_AloneAndShort_HasTheDefaults()
    {
        _folder.WriteFiles("emqx.key");
        var emqx = Assert.IsType<EmqxDiscoveryOptions>(OnePool("backends = { emqx = { api = \"http://emqx1:18083\", key-file = \"emqx.key\" } }").Discovery);
        Assert.Equal((1883, TimeSpan.FromSeconds(10), true, false, null), (emqx.Port, emqx.Interval, emqx.Verify, emqx.Seed, emqx.Ca));
    }

    [Fact]
    public void Pool_WithEveryChoice_IsRead()
    {
        _folder.WriteFiles("ca.pem", "c.pem", "k.pem");

        var pool = OnePool("""
            backends = ["h:1"], balance = hash, hash-key = "$remote_addr-${server_port}", place = random, proxy-protocol = v2
            proxy-protocol-tlvs = [ssl, crc32c], source-addresses = ["::1", { address = "10.0.0.1", share = 33.3% }]
            websocket = on, tls { ca = ca.pem, server-name = emqx, verify = off, certificate = c.pem, key = k.pem }
            health { probe = http, path = "/ready", port = 18083, rise = 1, fall = 1 }, retry { tries = 1, timeout = 1s }
            buffer-size = 3M, tcp { keep-alive = off, user-timeout = 0 }
            """);

        Assert.Equal(ProxyTlvs.Ssl | ProxyTlvs.Crc32c, pool.ProxyTlvs);
        Assert.True(pool.HashKey.Uses(Variable.RemoteAddr) && pool.HashKey.Uses(Variable.ServerPort));
        Assert.Equal(BalanceKind.Random, pool.Place);
        Assert.Equal([null, 33.3], pool.SourceAddresses.Select(s => s.Share));
        Assert.Equal("/mqtt", pool.WebSocketPath);
        Assert.False(pool.Tls!.Verify);
        Assert.Equal(ProbeKind.Http, pool.Health.Probe);
        Assert.Equal(3 << 20, pool.BufferSize);
        Assert.Equal(new TcpOptions(true, TimeSpan.Zero, TimeSpan.Zero), pool.Tcp);
    }

    [Fact]
    public void ProxyProtocol_On_IsVersionOne() =>
        Assert.Equal(ProxyProtocolVersion.V1, OnePool("backends = [\"h:1\"], proxy-protocol = on").ProxyProtocol);

    [Theory]
    [InlineData("")]
    [InlineData("proxy-protocol-tlvs = []")]
    public void ProxyTlvs_AbsentOrEmpty_AreNone(string text) =>
        Assert.Equal(ProxyTlvs.None, OnePool($"backends = [\"h:1\"], proxy-protocol = v2\n{text}").ProxyTlvs);

    [Theory]
    [InlineData("auto", null)]
    [InlineData("off", 0)]
    [InlineData("0", 0)]
    [InlineData("30m", 1800)]
    public void IdleTimeout_OfEachForm_IsRead(string text, int? seconds) =>
        Assert.Equal(seconds, (int?)OneListener($"idle-timeout = {text}").IdleTimeout?.TotalSeconds);

    [Theory]
    [InlineData("per-address = 5", 5, 0)]
    [InlineData("per-address { connections = 5, rate = 6 }", 5, 6)]
    [InlineData("per-address.rate = 6", 0, 6)]
    public void PerAddress_OfEachForm_IsRead(string text, int connections, int rate) =>
        Assert.Equal(new LimitOptions(9, connections, rate), OneListener($"limits {{ connects-per-second = 9, {text} }}").Limits);

    [Fact]
    public void Listener_WithNetworks_IsRead()
    {
        var listener = OneListener(
            "accept-proxy-protocol { from = [\"10.0.0.0/8\", \"fd00::/8\"] }, allow = \"192.168.1.5\", deny = [\"0.0.0.0/0\"]");

        Assert.Equal(["10.0.0.0/8", "fd00::/8"], listener.AcceptProxyFrom.Select(n => n.ToString()));
        Assert.Equal(["192.168.1.5/32"], listener.Allow.Select(n => n.ToString()));
        Assert.Equal(["0.0.0.0/0"], listener.Deny.Select(n => n.ToString()));
    }

    [Theory]
    [InlineData("1883", "0.0.0.0:1883")]
    [InlineData("\":1883\"", "0.0.0.0:1883")]
    [InlineData("\"*:1883\"", "0.0.0.0:1883")]
    [InlineData("\"[::]:1883\"", "[::]:1883")]
    [InlineData("\"10.1.2.3:0\"", "10.1.2.3:0")]
    public void Bind_OfEachForm_IsRead(string text, string expected) =>
        Assert.Equal(expected, _folder.LoadValid($"actorlb {{ {Pool} listeners.l {{ bind = {text}, pool = p }} }}").Listeners["l"].Bind.ToString());

    [Fact]
    public void Listeners_OnPortZero_MayBeSeveral() =>
        Assert.Equal(2, Load("listeners { a { bind = \"127.0.0.1:0\", pool = p }, b { bind = \"127.0.0.1:0\", pool = p } }").Listeners.Count(l => l.Value.Bind.Port == 0));

    [Fact]
    public void Tls_WithClientCertificates_MayRewriteFromThem()
    {
        _folder.WriteFiles("c.pem", "k.pem", "ca.pem", "crl.pem", "ticket.key");

        var listener = OneListener("""
            tls { certificate = c.pem, key = k.pem, protocols = [TLSv1, TLSv1.3], cipher-suites = TLS_AES_128_GCM_SHA256, session-cache = off
                  session-tickets = off, ticket-key-file = ticket.key, client-ca = ca.pem, verify-client = optional, verify-depth = 3
                  crl = crl.pem, handshake-timeout = 3s, max-handshakes = 8 }
            rewrite { client-id = "$ssl_client_serial", username = "$ssl_client_s_dn_cn", password = "x$$y" }
            require-client-id = "$ssl_client_serial"
            """);

        Assert.Equal(TlsProtocols.Tls10 | TlsProtocols.Tls13, listener.Tls!.Protocols);
        Assert.Equal(0, listener.Tls.SessionCache);
        Assert.Equal(VerifyClient.Optional, listener.Tls.VerifyClient);
        Assert.Equal("x$y", Assert.Single(listener.Rewrite.Password!.Parts).Literal);
    }

    [Fact]
    public void TcpListener_OnAHashOfTheAddress_IsValid() =>
        Assert.Equal(ListenerProtocol.Tcp, Load("pools.q { backends = [\"h:1\"], balance = hash, hash-key = \"$remote_addr\" }\nlisteners.t { bind = \"*:1\", pool = q, protocol = tcp }").Listeners["t"].Protocol);

    private ActorLbOptions Load(string text) => _folder.LoadValid($"actorlb {{\n{text}\n{Pool}{Listener}}}");

    private PoolOptions OnePool(string text) => _folder.LoadValid($"actorlb {{\npools.p {{ {text} }}\n{Listener}}}").Pools["p"];

    private ListenerOptions OneListener(string text) =>
        _folder.LoadValid($"actorlb {{\n{Pool}listeners.l {{ bind = \"*:1883\", pool = p\n{text} }} }}").Listeners["l"];
}
