using ActorLb.Configuration;

namespace ActorLb.Tests.Configuration.Import.HAProxy;

/// <summary>What HAProxy's lines become, beyond the examples of the table.</summary>
public sealed class HAProxyImportTests
{
    [Theory]
    [InlineData("bind *:1883 maxconn 500", "max-connections = 500")]
    [InlineData("bind :1883", "bind = \"0.0.0.0:1883\"")]
    [InlineData("bind :::1883", "bind = \"[::]:1883\"")]
    [InlineData("bind [2001:db8::7]:1883", "bind = \"[2001:db8::7]:1883\"")]
    [InlineData("bind ipv4@192.0.2.7:1883", "bind = \"192.0.2.7:1883\"")]
    [InlineData("bind 192.0.2.7:1883,192.0.2.8:1884", "bind = \"192.0.2.8:1884\"")]
    [InlineData("bind *:1883-1885", "bind = \"0.0.0.0:1885\"")]
    [InlineData("bind \"*:${PORT-1883}\"", "bind = \"0.0.0.0:\"${environment.PORT}")]
    [InlineData("bind *:1883\n  rate-limit sessions 50", "limits.connects-per-second = 50")]
    [InlineData("bind *:1883\n  tcp-request inspect-delay 5s", "connect-timeout = 5s")]
    [InlineData("bind *:1883\n  acl in src 192.0.2.0/24 198.51.100.7\n  tcp-request connection reject if !in", "allow = [\"192.0.2.0/24\", \"198.51.100.7\"]")]
    [InlineData("bind *:1883\n  tcp-request connection reject if { src 192.0.2.0/24 }", "deny = [\"192.0.2.0/24\"]")]
    [InlineData("bind *:1883\n  tcp-request connection reject unless { src 192.0.2.0/24 }", "allow = [\"192.0.2.0/24\"]")]
    [InlineData("bind *:1883\n  acl a src 192.0.2.0/24\n  acl b src 198.51.100.0/24\n  tcp-request connection reject if a or b", "deny = [\"192.0.2.0/24\", \"198.51.100.0/24\"]")]
    [InlineData("bind *:1883\n  tcp-request connection expect-proxy layer4 if { src 192.0.2.0/24 }", "accept-proxy-protocol.from = [\"192.0.2.0/24\"]")]
    [InlineData("bind *:1883\n  timeout client 3m\n  timeout server 2m", "idle-timeout = 2m # auto would use each client's own Keep Alive")]
    [InlineData("bind *:1883\n  timeout client 180000", "idle-timeout = 3m # auto would use each client's own Keep Alive")]
    [InlineData("bind *:1883\n  timeout client 3m\n  timeout tunnel 2h", "idle-timeout = 2h # auto would use each client's own Keep Alive")]
    [InlineData("bind *:8883\n  tcp-request content accept if { req_ssl_hello_type 1 }", "protocol = tcp # TLS is passed through; to read it set tls here and in the pool")]
    [InlineData("bind *:1883\n  balance hash req.payload(0,0),mqtt_field_value(connect,username)", "hash-key = \"$mqtt_preread_username\"")]
    [InlineData("bind *:1883\n  balance first", "balance = least-connections")]
    [InlineData("bind *:1883\n  stick-table type ip size 1k\n  stick on src", "balance = ip-hash")]
    [InlineData("bind *:1883\n  acl in src 192.0.2.0/24\n  acl bad src 192.0.2.66\n  tcp-request connection reject if bad\n  tcp-request connection reject if !in", "deny = [\"192.0.2.66\"]")]
    [InlineData("bind *:1883\n  retries 5", "tries = 6 # including the first")]
    [InlineData("bind *:1883\n  option httpchk GET /status", "health.probe = http")]
    [InlineData("bind *:1883\n  source 192.0.2.71", "source-addresses = [\"192.0.2.71\"]")]
    public void Listen_Becomes(string lines, string expected)
    {
        using var file = ImportedFile.HAProxy($"listen a\n  mode tcp\n  {lines}\n  server s a.example.net:1883 check\n");
        Assert.Empty(file.Load().Errors);
        Assert.Contains(file.Text.Split('\n'), l => l.Trim() == expected || l.Trim().EndsWith("." + expected, StringComparison.Ordinal));
        Assert.DoesNotContain(file.Told, t => t.Contains("unknown", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("server s b.example.net:1883 weight 0", "{ address = \"b.example.net:1883\", down = on }")]
    [InlineData("default-server weight 7 maxconn 10\n  server s b.example.net:1883 maxconn 20", "{ address = \"b.example.net:1883\", weight = 7, max-connections = 20 }")]
    [InlineData("default-server disabled\n  server s b.example.net:1883 enabled", "\"b.example.net:1883\"")]
    [InlineData("server s [2001:db8::9]:1883", "\"[2001:db8::9]:1883\"")]
    [InlineData("server s 2001:db8::9:1883", "\"[2001:db8::9]:1883\"")]
    public void Server_Becomes(string lines, string expected)
    {
        using var file = ImportedFile.HAProxy($"listen a\n  bind *:1883\n  {lines}\n");
        Assert.Empty(file.Load().Errors);
        Assert.Contains(file.Text.Split('\n'), l => l.Trim() == expected);
    }

    [Theory]
    [InlineData("bind /run/x.sock", "/run/x.sock: ActorLb listens only on TCP ports")]
    [InlineData("bind *:1883 ssl", "ssl without crt: set tls.certificate and tls.key of the listener")]
    [InlineData("bind *:1000-2000", "*:1000-2000: a listener has one port; write a listener for each port of the range that is used")]
    [InlineData("tcp-request connection reject if { src_conn_rate gt 5 }", "limits.per-address.rate of the listener, per second")]
    [InlineData("use_backend b if { req.ssl_sni -i x }", "a listener has one pool, chosen without conditions: give these clients their own listener, by address or port")]
    [InlineData("server s2 b.example.net:1883 send-proxy-v2", "PROXY v2: a pool has one proxy-protocol, off: make a separate pool for this one, or change the broker's listener")]
    [InlineData("server s2 a.example.net:1883", "the same address again: a pool has each backend once, give it a weight")]
    [InlineData("acl x src -f /etc/list\n  tcp-request connection reject if x", "allow and deny of the listener take client networks (src) and no other conditions")]
    public void Line_ThatCannotBeCarriedOver_IsTold(string line, string expected)
    {
        using var file = ImportedFile.HAProxy($"listen a\n  bind *:1885\n  server s a.example.net:1883\n  server t c.example.net:1883\n  {line}\nbackend b\n  server s d.example.net:1883\n");
        Assert.DoesNotContain(file.Load().Errors, e => !e.Reason.Contains("cannot be read", StringComparison.Ordinal));
        Assert.Contains(file.Told, t => t.EndsWith(": " + expected, StringComparison.Ordinal));
        Assert.Contains(expected, file.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Secrets_AreNotShown()
    {
        using var file = ImportedFile.HAProxy("userlist u\n  user a insecure-password hush\nlisten s\n  bind *:9000\n  mode http\n  stats enable\n  stats auth a:hush\nlisten a\n  bind *:1883\n  http-request set-header Authorization hush\n  server s a.example.net:1883\n");
        Assert.DoesNotContain("hush", file.Text, StringComparison.Ordinal);
        Assert.Contains("stats auth ******", file.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Variables_ThatTheFileSets_AreWrittenWhereAnAddressUsesThem()
    {
        using var file = ImportedFile.HAProxy("""
            global
              setenv BASE example.net
              setenv HOST broker.${BASE}
              setenv A ${B}
              setenv B ${A}
              setenv UNUSED_TOKEN hush
            listen a
              bind *:1885
              server s "${HOST}:1883"
              server t "${A-other.example.net}:1883"

            """);
        Assert.Equal(["broker.example.net:1883", "other.example.net:1883"], file.Options.Pools["a"].Backends.Select(b => $"{b.Address.Host}:{b.Address.Port}"));
        Assert.Contains(file.Told, t => t.Contains("its value is known only when the node starts: set A in the service's unit", StringComparison.Ordinal));
        Assert.DoesNotContain("hush", file.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("UNUSED_TOKEN =", file.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http-request set-header X-Api-Token hush")]
    [InlineData("http-check send meth GET hdr Proxy-Authorization hush")]
    [InlineData("http-check send hdr X-Check \"Bearer hush\"")]
    [InlineData("tcp-check send AUTH\\ hush\\r\\n")]
    [InlineData("tcp-check send-binary hush")]
    [InlineData("dynamic-cookie-key hush")]
    [InlineData("server t b.example.net:1883 check agent-check agent-send hush")]
    [InlineData("bind *:1884 ssl crt a.pem password hush")]
    public void Secret_IsNotShown_NotInTheAdviceEither(string line)
    {
        using var file = ImportedFile.HAProxy($"listen a\n  bind *:1883\n  {line}\n  server s a.example.net:1883\n");
        Assert.DoesNotContain("hush", file.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(file.Result.Directives, d => d.Advice.Any(a => a.Contains("hush", StringComparison.Ordinal)));
        Assert.Contains("******", file.Text, StringComparison.Ordinal);
    }

    /// <summary>A dashboard is no WebSocket of MQTT, in whatever mode it is passed on.</summary>
    [Theory]
    [InlineData("tcp")]
    [InlineData("http")]
    public void Dashboard_OfTheBrokers_PassesUnseen(string mode)
    {
        using var file = ImportedFile.HAProxy($"listen a\n  mode {mode}\n  bind *:8080\n  server s a.example.net:18083\n");
        Assert.Equal((ListenerProtocol.Tcp, ProbeKind.Tcp), (file.Options.Listeners["a"].Protocol, file.Options.Pools["a"].Health.Probe));
    }

    [Fact]
    public void Comments_OfConditionsAndAddresses_StandInTheirListeners()
    {
        using var file = ImportedFile.HAProxy("""
            frontend f
              bind *:1883
              bind *:1884 # second
              # offices
              acl in src 192.0.2.0/24
              tcp-request connection reject unless in
              default_backend b
            backend b
              server s a.example.net:1883
            """);
        string first = file.Text[file.Text.IndexOf("    f {", StringComparison.Ordinal)..file.Text.IndexOf("    f-1884 {", StringComparison.Ordinal)];
        Assert.Contains("# offices", first, StringComparison.Ordinal);
        Assert.DoesNotContain("# second", first, StringComparison.Ordinal);
    }

    [Fact]
    public void Defaults_AreInheritedFromTheLastOrTheNamed()
    {
        using var file = ImportedFile.HAProxy("""
            defaults base
              timeout connect 2s
              mode tcp
            defaults second from base
              timeout connect 4s
            listen a
              bind *:1883
              server s a.example.net:1883
            listen b from base
              bind *:1884
              server s b.example.net:1883
            """);
        Assert.Equal((TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(2)), (file.Options.Pools["a"].ConnectTimeout, file.Options.Pools["b"].ConnectTimeout));
    }

    [Fact]
    public void Variables_WithDefaults_HoldUntilTheEnvironmentSaysOtherwise()
    {
        using var file = ImportedFile.HAProxy("global\n  setenv HOST broker.example.net\nlisten a\n  bind \"*:${PORT-1885}\"\n  server s \"${HOST}:1883\"\n");
        var plain = ConfigurationLoader.LoadText(file.Text, "x.conf", ConfigurationFolder.NoEnvironment);
        var set = ConfigurationLoader.LoadText(file.Text, "x.conf", new Dictionary<string, string> { ["PORT"] = "2885", ["HOST"] = "other.example.net" });
        Assert.Empty(plain.Errors.Concat(set.Errors));
        Assert.Equal((1885, "broker.example.net"), (plain.Options!.Listeners["a"].Bind.Port, plain.Options.Pools["a"].Backends[0].Address.Host));
        Assert.Equal((2885, "other.example.net"), (set.Options!.Listeners["a"].Bind.Port, set.Options.Pools["a"].Backends[0].Address.Host));
    }

    [Fact]
    public void Folder_OfCertificates_IsReadWithItsNames()
    {
        using var authority = new Testing.TestCertificates();
        string folder = Directory.CreateDirectory(Path.Combine(authority.Directory, "certs")).FullName;
        foreach ((string file, string name) in ((string, string)[])[("1.pem", "a.example.net"), ("2.pem", "*.b.example.net")])
        {
            var issued = authority.Server([name]);
            File.WriteAllText(Path.Combine(folder, file), File.ReadAllText(issued.CertificatePath) + File.ReadAllText(issued.KeyPath));
        }
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "no certificate");
        using var imported = ImportedFile.HAProxy($"listen a\n  bind *:8883 ssl crt {folder}/ ssl-min-ver TLSv1.3\n  server s a.example.net:1883\n");
        var tls = imported.Options.Listeners["a"].Tls!;
        Assert.Equal([("1.pem", ""), ("2.pem", "*.b.example.net")], tls.Certificates.Select(c => (Path.GetFileName(c.Certificate), string.Join(',', c.Names))));
        Assert.Equal(TlsProtocols.Tls13, tls.Protocols);
        Assert.Contains($"2: {folder}/notes.txt: no certificate can be read from it: list it in tls.certificates by hand, if it is one", imported.Told);
    }

    [Fact]
    public void Key_BesideItsCertificate_IsFound()
    {
        using var authority = new Testing.TestCertificates();
        var issued = authority.Server(["a.example.net"]);
        File.Copy(issued.KeyPath, issued.CertificatePath + ".key");
        using var imported = ImportedFile.HAProxy($"listen a\n  bind *:8883 ssl crt {issued.CertificatePath}\n  server s a.example.net:1883\n");
        Assert.Equal(issued.CertificatePath + ".key", imported.Options.Listeners["a"].Tls!.Certificates[0].Key);
    }

    [Fact]
    public void CrtBase_AndCaBase_AreInThePaths()
    {
        using var file = ImportedFile.HAProxy("global\n  crt-base /etc/x/certs\n  ca-base /etc/x/ca\nlisten a\n  bind *:8883 ssl crt a.pem ca-file c.pem verify required\n  server s a.example.net:1883\n");
        var tls = file.Options.Listeners["a"].Tls!;
        Assert.EndsWith("/etc/x/certs/a.pem", tls.Certificates[0].Certificate, StringComparison.Ordinal);
        Assert.EndsWith("/etc/x/ca/c.pem", tls.ClientCa, StringComparison.Ordinal);
        Assert.Equal((VerifyClient.On, 100), (tls.VerifyClient, tls.VerifyDepth));
    }

    [Fact]
    public void Backend_OfTwoFrontends_IsOnePoolAndOneTable()
    {
        using var file = ImportedFile.HAProxy("""
            .if version_atleast(2.4)
            .endif
            frontend a
              bind *:1883
              default_backend b
            frontend c
              bind *:8883 ssl crt /etc/a.pem
              default_backend b
            frontend d
              default_backend b
            backend b
              stick-table type string len 32 size 2k expire 30m # table
              stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)
              server s a.example.net:1883
            """);
        Assert.Equal((1, 2048), (file.Options.Pools.Count, file.Options.Sticky.MaxEntries));
        Assert.Equal(["a", "c"], file.Options.Listeners.Keys.Order());
        Assert.Equal(["1", "2", "9"], file.Told.Select(t => t.Split(':')[0]));
        Assert.Equal(1, file.Text.Split("# table").Length - 1);
    }

    [Fact]
    public void Stickiness_OfTwoTables_HasRoomForBoth()
    {
        using var file = ImportedFile.HAProxy("""
            listen a
              bind *:1883
              stick-table type string len 32 size 2k expire 30m
              stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)
              server s a.example.net:1883
            listen b
              bind *:1884
              stick-table type string len 32 size 3k expire 2h peers others
              stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)
              server s b.example.net:1883
            peers others
              peer x 192.0.2.9:1024
            """);
        Assert.Equal((5 << 10, TimeSpan.FromHours(2)), (file.Options.Sticky.MaxEntries, file.Options.Sticky.Ttl));
        Assert.Contains(file.Told, t => t.Contains("the cluster block", StringComparison.Ordinal));
    }
}
