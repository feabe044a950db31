using ActorLb.Configuration;
using ActorLb.Configuration.Import;

namespace ActorLb.Tests.Configuration.Import.Nginx;

/// <summary>What NGINX's directives become, beyond the examples of the table.</summary>
public sealed class NginxImportTests
{
    /// <param name="directives">Within a server of stream that passes to the upstream a.</param>
    /// <param name="expected">A line of the result.</param>
    [Theory]
    [InlineData("listen 1883; proxy_timeout 90m;", "idle-timeout = 90m")]
    [InlineData("listen 1883; proxy_timeout 1h30m;", "idle-timeout = 90m")]
    [InlineData("listen 1883; proxy_timeout 120;", "idle-timeout = 2m")]
    [InlineData("listen 1883; proxy_connect_timeout 60s;", "connect-timeout = 1m")]
    [InlineData("listen 1883; proxy_connect_timeout 60s;", "retry.timeout = 2m # leaves time to try a second backend")]
    [InlineData("listen 1883; proxy_connect_timeout 500ms;", "connect-timeout = 500ms")]
    [InlineData("listen 1883; proxy_buffer_size 3M;", "buffer-size = 3MiB")]
    [InlineData("listen 1883; tcp_nodelay off;", "tcp.no-delay = off")]
    [InlineData("listen 1883 so_keepalive=off;", "tcp.keep-alive = off")]
    [InlineData("listen 1883 so_keepalive=30m::10;", "tcp.keep-alive = 30m")]
    [InlineData("listen 192.0.2.7:1883;", "bind = \"192.0.2.7:1883\"")]
    [InlineData("listen [2001:db8::7]:1883;", "bind = \"[2001:db8::7]:1883\"")]
    [InlineData("listen *:1883;", "bind = \"0.0.0.0:1883\"")]
    [InlineData("listen 1883; proxy_next_upstream off;", "retry.tries = 1")]
    [InlineData("listen 1883; proxy_next_upstream_tries 0;", "retry.tries = 16 # without a limit in NGINX; at most 16 here")]
    [InlineData("listen 1883; proxy_protocol on; proxy_protocol_version 2;", "proxy-protocol = v2")]
    [InlineData("listen 1883; proxy_bind 192.0.2.9;", "source-addresses = [\"192.0.2.9\"]")]
    [InlineData("listen 1883; proxy_ssl on;", "tls.verify = off # NGINX's default: anyone could impersonate the broker; on and a ca prevent that")]
    [InlineData("listen 1883; deny 192.0.2.1; allow 192.0.2.0/24; deny all;", "deny = [\"192.0.2.1\"]")]
    [InlineData("listen 1883; deny 192.0.2.1; allow 192.0.2.0/24; deny all;", "allow = [\"192.0.2.0/24\"]")]
    [InlineData("listen 1883; mqtt on; mqtt_set_connect username \"\";", "rewrite.username = remove")]
    [InlineData("listen 1883; mqtt on; mqtt_set_connect clientid \"${mqtt_preread_clientid}x\";", "rewrite.client-id = \"${mqtt_preread_clientid}x\"")]
    [InlineData("listen 8883; ssl_preread on;", "protocol = tcp # TLS is passed through; to read it set tls here and in the pool")]
    [InlineData("listen 8883; mqtt_preread on;", "bind = \"0.0.0.0:8883\"")]
    [InlineData("listen 1883 proxy_protocol; set_real_ip_from 192.0.2.0/24;", "accept-proxy-protocol.from = [\"192.0.2.0/24\"]")]
    [InlineData("listen 1883; health_check interval=3 passes=4 fails=5 port=8081;", "port = 8081")]
    [InlineData("listen 1883; access_log /var/log/nginx/m.log x;", "log.access = \"/var/log/nginx/m.log\" # one line per connection")]
    [InlineData("listen 1883; error_log stderr debug;", "log.level = debug")]
    public void Server_OfStream_Becomes(string directives, string expected)
    {
        using var file = ImportedFile.Nginx($"stream {{ upstream a {{ server a.example.net:1883; }} server {{ {directives} proxy_pass a; }} }}");
        Assert.Empty(file.Load().Errors);
        Assert.Contains(file.Text.Split('\n'), l => l.Trim() == expected || l.Trim().StartsWith(expected + " #", StringComparison.Ordinal));
        Assert.DoesNotContain(file.Told, t => t.Contains("unknown", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("hash $remote_addr consistent;", "hash-key = \"$remote_addr\"")]
    [InlineData("hash $binary_remote_addr;", "hash-key = \"$remote_addr\"")]
    [InlineData("hash \"$mqtt_preread_username-$remote_port\";", "hash-key = \"$mqtt_preread_username-$remote_port\"")]
    [InlineData("random two least_conn;", "balance = random")]
    public void Upstream_Balances(string policy, string expected)
    {
        using var file = ImportedFile.Nginx($"stream {{ upstream a {{ {policy} server a.example.net:1883; }} server {{ listen 1883; proxy_pass a; }} }}");
        Assert.Empty(file.Load().Errors);
        Assert.Contains(file.Text.Split('\n'), l => l.Trim() == expected);
    }

    [Theory]
    [InlineData("hash $ssl_client_serial;", "the key has no value for the clients of this listener: hash is written")]
    [InlineData("hash $http_x;", "$http_x is not a variable of ActorLb: the client id is written as the key instead")]
    [InlineData("server unix:/run/a.sock;", "ActorLb connects to brokers only by TCP: let this one listen on a port, and name that")]
    [InlineData("server b.example.net;", "'b.example.net' is not a host and port: add the backend by hand")]
    [InlineData("server a.example.net:1883 weight=2;", "the same address again: a pool has each backend once, give it a weight")]
    [InlineData("server b.example.net:1883 weight=100000;", "weight must be from 1 to 65535: 65535 is written instead of 100000")]
    [InlineData("server b.example.net:1883 frob=1;", "frob=1: unknown, and left out")]
    public void Upstream_ThatCannotBeCarriedOver_IsTold(string directive, string expected)
    {
        using var file = ImportedFile.Nginx($"stream {{ upstream a {{ server a.example.net:1883; {directive} }} server {{ listen 1883; proxy_pass a; }} }}");
        Assert.Empty(file.Load().Errors);
        Assert.Contains($"1: {expected}", file.Told);
        Assert.Contains($"# nginx.conf:1: {directive.TrimEnd(';')}: {expected}", file.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("server unix:/run/a.sock;", "2: has no backend that ActorLb can connect to: add backends")]
    [InlineData("", "2: has no backend that ActorLb can connect to: add backends")]
    public void Upstream_WithoutBackends_HasNoListener(string server, string expected)
    {
        using var file = ImportedFile.Nginx($"stream {{\nupstream a {{ {server} }}\n# kept\nserver {{ listen 1883; proxy_pass a; }} }}");
        Assert.Contains(expected, file.Told);
        Assert.Contains("# kept", file.Text, StringComparison.Ordinal);
        Assert.Equal(["nothing to balance was found: add pools and listeners"], file.Result.Remarks);
    }

    [Theory]
    [InlineData("proxy_bind $remote_addr transparent;", "transparent: ActorLb does not use its clients' addresses; proxy-protocol passes them on to brokers")]
    [InlineData("proxy_bind $x;", "not an IP address, nor a variable of split_clients with addresses: list the addresses in source-addresses of the pool")]
    [InlineData("proxy_timeout abc;", "'abc' is not a time: set idle-timeout by hand")]
    [InlineData("proxy_connect_timeout 2h;", "connect-timeout must be from 1ms to 1h: 1h is written instead of 2h")]
    [InlineData("limit_conn none 5;", "limit_conn_zone is missing in these files: see limits.per-address and max-connections of the listener")]
    [InlineData("mqtt_set_connect clientid \"\";", "a client id cannot be removed")]
    [InlineData("mqtt_set_connect clientid $ssl_client_serial;", "this listener's clients have no such value: rewrite.client-id needs tls with verify-client for certificates")]
    public void Server_ThatCannotBeCarriedOver_IsTold(string directive, string expected)
    {
        using var file = ImportedFile.Nginx($"stream {{ server {{ listen 1883; mqtt on; {directive} proxy_pass a.example.net:1883; }} }}");
        Assert.Empty(file.Load().Errors);
        Assert.Contains($"1: {expected}", file.Told);
    }

    [Theory]
    [InlineData("proxy_set_header X-Api-Key hush;")]
    [InlineData("proxy_set_header X-Upstream \"Bearer hush\";")]
    [InlineData("set $token hush;")]
    [InlineData("if ($http_authorization != \"Basic hush\") { return 403; }")]
    [InlineData("location /x { proxy_pass http://user:hush@a.example.net:8083/; }")]
    public void Secret_IsNotShown_NotInTheAdviceEither(string directive)
    {
        using var file = ImportedFile.Nginx($"http {{ server {{ listen 8083; location /mqtt {{ proxy_pass http://a.example.net:8083; proxy_set_header Upgrade $http_upgrade; }} {directive} }} }}");
        Assert.DoesNotContain("hush", file.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(file.Result.Directives, d => d.Advice.Any(a => a.Contains("hush", StringComparison.Ordinal)));
        Assert.Contains("******", file.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Certificates_OfTwoKinds_BecomeLists()
    {
        using var file = ImportedFile.Nginx("stream { server { listen 8883 ssl; ssl_certificate r.pem; ssl_certificate_key r.key; ssl_certificate e.pem; ssl_certificate_key e.key; proxy_pass a.example.net:1883; } }");
        Assert.Equal(["r.pem", "e.pem"], file.Options.Listeners["mqtts"].Tls!.Certificates.Select(c => Path.GetFileName(c.Certificate)));
    }

    [Fact]
    public void Servers_OfOneAddressInHttp_ShareAListenerBySni()
    {
        using var file = ImportedFile.Nginx("""
            http { upstream w { server a.example.net:8083; }
              ssl_protocols TLSv1.2;
              server { listen 443 ssl; server_name a.example.net; ssl_certificate a.pem; ssl_certificate_key a.key; location /mqtt { proxy_pass http://w; proxy_set_header Upgrade $http_upgrade; } }
              server { listen 443 ssl; server_name b.example.net *.c.example.net; ssl_certificate b.pem; ssl_certificate_key b.key; location /mqtt { proxy_pass http://w; proxy_set_header Upgrade $http_upgrade; } } }
            """);
        var tls = Assert.Single(file.Options.Listeners).Value.Tls!;
        Assert.Equal([[], ["b.example.net", "*.c.example.net"]], tls.Certificates.Select(c => c.Names.ToArray()));
        Assert.Equal(TlsProtocols.Tls12, tls.Protocols);
        Assert.Empty(file.Told);
    }

    [Fact]
    public void Server_WithAndWithoutTls_RewritesByCertificateOnlyWhereThereIsOne()
    {
        using var file = ImportedFile.Nginx("""
            stream { server { mqtt on; listen 8883 ssl; listen 1883; ssl_certificate a.pem; ssl_certificate_key a.key; ssl_client_certificate ca.pem; ssl_verify_client on;
              mqtt_set_connect clientid $ssl_client_serial; proxy_pass a.example.net:1883; } }
            """);
        var options = file.Options;
        Assert.NotNull(options.Listeners["mqtts"].Rewrite.ClientId);
        Assert.True(options.Listeners["mqtt"].Rewrite.IsEmpty);
        Assert.Equal(Verdict.Reported, file.VerdictOf("mqtt_set_connect"));
    }

    [Fact]
    public void Settings_OfOuterBlocks_AreInheritedUnlessReplaced()
    {
        using var file = ImportedFile.Nginx("""
            stream { proxy_connect_timeout 3s; proxy_timeout 30m; # outer
              server { listen 1883; proxy_pass a.example.net:1883; }
              server { listen 1884; proxy_pass b.example.net:1883; proxy_connect_timeout 5s; } }
            """);
        var options = file.Options;
        Assert.Equal([TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(5)], options.Listeners.Values.OrderBy(l => l.Bind.Port).Select(l => options.Pools[l.Pool].ConnectTimeout));
        Assert.All(options.Listeners.Values, l => Assert.Equal(TimeSpan.FromMinutes(30), l.IdleTimeout));
        Assert.Equal(1, file.Text.Split("# outer").Length - 1);
    }

    [Fact]
    public void Server_WithAlreadyTakenPortOfTheAdminEndpoint_MovesTheEndpoint()
    {
        using var file = ImportedFile.Nginx("stream { server { listen 8888; proxy_pass a.example.net:1883; } }");
        Assert.Equal("127.0.0.1:8889", file.Options.Admin.Bind.ToString());
    }

    [Fact]
    public void Resolve_OfOneServer_IsDiscoveryByDns()
    {
        using var file = ImportedFile.Nginx("""
            stream { resolver 127.0.0.11 valid=5s;
              upstream a { zone z 64k; server brokers.example.net:1883 resolve max_fails=3; } upstream s { zone y 64k; server brokers.example.net service=mqtt resolve; }
              server { listen 1883; proxy_pass a; } server { listen 1884; proxy_pass s; } }
            """);
        var options = file.Options;
        Assert.Equal(("brokers.example.net", 1883, TimeSpan.FromSeconds(5), 3), (((DnsDiscoveryOptions)options.Pools["a"].Discovery!).Name, ((DnsDiscoveryOptions)options.Pools["a"].Discovery!).Port, ((DnsDiscoveryOptions)options.Pools["a"].Discovery!).Interval, ((DnsDiscoveryOptions)options.Pools["a"].Discovery!).Template.MaxFails));
        Assert.Equal(("_mqtt._tcp.brokers.example.net", true), (((DnsDiscoveryOptions)options.Pools["s"].Discovery!).Name, ((DnsDiscoveryOptions)options.Pools["s"].Discovery!).Srv));
    }

    [Theory]
    [InlineData("worker_processes 4;", "worker_connections 10000;", 20000)]
    [InlineData("worker_processes auto;", "worker_connections 10000;", 10000)]
    [InlineData("", "", 20480)]
    public void Workers_AndTheirConnections_AreClientsOfTheNode(string workers, string connections, int expected)
    {
        using var file = ImportedFile.Nginx($"{workers} events {{ {connections} }} stream {{ server {{ listen 1883; proxy_pass a.example.net:1883; }} }}");
        Assert.Equal(expected, file.Options.Node.MaxConnections);
    }

    [Fact]
    public void WebSocket_OverTlsToTheBrokers_HasBothInThePool()
    {
        using var file = ImportedFile.Nginx("http { server { listen 8083; location /mqtt { proxy_pass https://a.example.net:8084/ws; proxy_set_header Upgrade $http_upgrade; } } }");
        var pool = Assert.Single(file.Options.Pools).Value;
        Assert.Equal(("/ws", false), (pool.WebSocketPath, pool.Tls!.Verify));
    }

    [Fact]
    public void Told_StandsInItsOwnBlock()
    {
        using var file = ImportedFile.Nginx("stream { upstream a { queue 5; server a.example.net:1883; } server { listen 1883; proxy_pass a; proxy_upload_rate 1k; # slow\n } }");
        int pools = file.Text.IndexOf("  pools {", StringComparison.Ordinal), listeners = file.Text.IndexOf("  listeners {", StringComparison.Ordinal);
        Assert.InRange(file.Text.IndexOf(": queue 5: ", StringComparison.Ordinal), pools, listeners);
        Assert.All(new[] { ": proxy_upload_rate 1k: ", "# slow" }, t => Assert.True(file.Text.IndexOf(t, StringComparison.Ordinal) > listeners));
    }

    [Fact]
    public void Text_ThatOthersWrote_CannotLeaveItsComment()
    {
        using var file = ImportedFile.Nginx("# \u001b[31mred\nstream { server { listen 1883; frob \"a\nactorlb.node.workers = 7\n\"; proxy_pass a.example.net:1883; } }");
        Assert.Equal(0, file.Options.Node.Workers);
        Assert.DoesNotContain('\u001b', file.Text);
    }
}
