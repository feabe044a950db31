using System.Net;
using ActorLb.Configuration;

namespace ActorLb.Tests.Configuration;

/// <summary>The example that shows every block at once.</summary>
public sealed class DesignExampleTests
{
    private const string Text = """"
        actorlb {
          node { name = lb-1, workers = auto, max-connections = 20480, data-dir = "data", drain-timeout = 30s, pid-file = "data/actorlb.pid" }
          log  { level = info, format = text, access = off }
          admin { bind = "127.0.0.1:8888", token-file = null, tls = null }
          cluster {
            name = production, bind = "0.0.0.0:7946", advertise = "10.0.0.11:7946", zone = a
            seeds = []                                # none: a node by itself; else host:port of the fleet's nodes, the same list on all
            secret-file = null, tls = null            # peers: a shared secret or a PKI of your own; mutual TLS either way
            down-after = 5s, form-after = 5s, when-split = majority      # majority | oldest
          }
          sticky { ttl = 24h, max-entries = 10000000 }
          pools.emqx {
            balance = round-robin                     # round-robin | least-connections | random | ip-hash | hash | sticky
            hash-key = "$mqtt_preread_clientid"       # for hash: consistent (weighted rendezvous)
            place = least-connections                 # for sticky: where a new client goes
            backends = [
              { address = "emqx1-cluster.emqx.io:1883", weight = 3, max-fails = 2, fail-timeout = 10s, max-connections = 0, slow-start = 0s }
              { address = "emqx2-cluster.emqx.io:1883", down = true }
              { address = "emqx3-cluster.emqx.io:1883", backup = true }
            ]                                         # or discovery by DNS: { dns = "emqx-headless", port = 1883, srv = false }
            connect-timeout = 10s
            proxy-protocol = off                      # off | v1 | v2
            proxy-protocol-tlvs = []                  # of authority, alpn, ssl, unique-id, crc32c: none by default, some parsers fail on any
            source-addresses = ["10.211.55.5", { address = "10.211.55.20", share = 20% }]
            websocket = off                           # speak WebSocket to the backends: { path = "/mqtt" }
            tls = null                                # speak TLS to the backends: { ca = "ca.pem", server-name = "emqx", verify = on, certificate, key }
            health { probe = mqtt, interval = 5s, timeout = 2s, rise = 2, fall = 3 }   # tcp | mqtt | http | none
            retry { tries = 3, timeout = 20s }
            buffer-size = 64KiB
            tcp { no-delay = on, keep-alive = 60s, user-timeout = 90s }
          }
          listeners.mqtt  { bind = "0.0.0.0:1883", pool = emqx, protocol = mqtt }      # mqtt | tcp
          listeners.mqtts { bind = "0.0.0.0:8883", pool = emqx
            tls { certificate = "emqx.pem", key = "emqx.key", protocols = [TLSv1.2, TLSv1.3], ciphers = "HIGH:!aNULL:!MD5"
                  session-cache = 10m, session-timeout = 10m, client-ca = "ca.pem", verify-client = on, verify-depth = 1, crl = null, crl-check = leaf, crl-expired = refuse
                  certificates = [{ names = ["*.example.com"], certificate = "w.pem", key = "w.key" }] }   # by SNI
            rewrite { client-id = "$ssl_client_serial" } }                             # also username, password
          listeners.ws  { bind = "0.0.0.0:80", pool = emqx, websocket { path = "/mqtt", hosts = ["mqtt.example.com"], origins = [],
                          pass-headers = [Authorization, Cookie, Origin, User-Agent], accept-forwarded-for = [] } }
          # every listener: accept-proxy-protocol { from = ["10.0.0.0/8"] }, connect-timeout, idle-timeout = auto,
          #   max-connections, max-packet-size, limits { connects-per-second, per-address }, allow, deny
          # refusals before a backend is chosen: over a limit 0x89 or 0x9F (3.x: 3), banned 0x8A (3.x: 5), no backend 0x88 (3.x: 3)
        }
        """";

    [Fact]
    public void Example_WithItsFiles_LoadsAsWritten()
    {
        using var folder = new ConfigurationFolder();
        folder.WriteFiles("emqx.pem", "emqx.key", "ca.pem", "w.pem", "w.key");
        var options = folder.LoadValid(Text);

        Assert.Equal("lb-1", options.Node.Name);
        Assert.Equal(0, options.Node.Workers);
        Assert.Equal(Path.Combine(folder.Directory, "data/actorlb.pid"), options.Node.PidFile);
        Assert.Equal("production", options.Cluster.Name);
        Assert.Equal(new DnsEndPoint("10.0.0.11", 7946), options.Cluster.Advertise);
        var pool = options.Pools["emqx"];
        Assert.Equal([3, 1, 1], pool.Backends.Select(b => b.Weight));
        Assert.Equal([false, true, false], pool.Backends.Select(b => b.Down));
        Assert.Equal([false, false, true], pool.Backends.Select(b => b.Backup));
        Assert.Equal([null, 20d], pool.SourceAddresses.Select(s => s.Share));
        Assert.Null(pool.WebSocketPath);
        Assert.Equal(64 * 1024, pool.BufferSize);
        var tls = options.Listeners["mqtts"].Tls!;
        Assert.Equal(2, tls.Certificates.Length);
        Assert.Equal(Path.Combine(folder.Directory, "emqx.pem"), tls.Certificates[0].Certificate);
        Assert.Equal(["*.example.com"], tls.Certificates[1].Names);
        Assert.Equal(10L << 20, tls.SessionCache);
        Assert.Equal(TimeSpan.FromMinutes(10), tls.SessionTimeout);
        Assert.Equal(VerifyClient.On, tls.VerifyClient);
        Assert.Equal("$ssl_client_serial", options.Listeners["mqtts"].Rewrite.ClientId!.Text);
        Assert.Equal(["mqtt.example.com"], options.Listeners["ws"].WebSocket!.Hosts);
    }

    [Fact]
    public void Example_WithoutItsFiles_NamesEachOfThem()
    {
        using var folder = new ConfigurationFolder();
        string[] errors = folder.Errors(Text);

        Assert.Equal(5, errors.Length);
        Assert.All(errors, e => Assert.Contains("cannot be read: it does not exist", e, StringComparison.Ordinal));
    }
}
