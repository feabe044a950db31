using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>Files that are there and cannot be used: told at the place of their key, before anything runs.</summary>
public sealed class NamedFilesTests : IDisposable
{
    private readonly NodeFiles _files = new();
    private readonly TestCertificates _certificates = new();

    [Theory]
    [InlineData("admin.tls")]
    [InlineData("cluster.tls")]
    public async Task Check_ServiceTls_NamesKeyPlaceFileAndReason(string block)
    {
        TestCertificate one = _certificates.Server(["lb-1"]), two = _certificates.Server(["lb-2"], rsa: true);
        string garbage = _files.Add("garbage.pem", "-----BEGIN CERTIFICATE-----\ngarbage\n"), empty = _files.Add("empty.pem", "");

        await HasAsync(block, one.CertificatePath, one.KeyPath, _certificates.CaPath);
        await HasAsync(block, one.CertificatePath, two.KeyPath, _certificates.CaPath,
            $"4:9: actorlb.{block}.key: '{two.KeyPath}' does not belong to the certificate {one.CertificatePath}");
        await HasAsync(block, garbage, one.KeyPath, _certificates.CaPath,
            $"3:17: actorlb.{block}.certificate: '{garbage}' holds no readable PEM certificate");
        await HasAsync(block, one.CertificatePath, one.CertificatePath, _certificates.CaPath,
            $"4:9: actorlb.{block}.key: '{one.CertificatePath}' holds no readable PEM private key");
        await HasAsync(block, empty, empty, empty,
            $"3:17: actorlb.{block}.certificate: '{empty}' is empty",
            $"4:9: actorlb.{block}.key: '{empty}' is empty",
            $"5:8: actorlb.{block}.ca: '{empty}' is empty");
    }

    [Fact]
    public async Task Check_ListenersAndPools_AreToldAtTheirPlaceToo()
    {
        TestCertificate one = _certificates.Server(["lb-1"]), two = _certificates.Server(["lb-2"]);
        _files.Write(
            $$"""
            backends = ["127.0.0.1:1"]
            tls.ca = "{{one.KeyPath}}"
            """,
            $$"""
            tls { certificate = "{{one.CertificatePath}}", key = "{{one.KeyPath}}"
            certificates = [{ names = [b.example.com], certificate = "{{two.CertificatePath}}"
            key = "{{one.KeyPath}}" }]
            ciphers = nonsense
            }
            """);
        var check = await NodeFiles.RunAsync("check", _files.Path);
        Assert.Equal(1, check.ExitCode);
        string[] told = [.. check.Lines.Where(l => l.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.Equal(3, told.Length);
        Assert.StartsWith($"error: {_files.Path}:7:10: actorlb.pools.p.tls.ca: '{one.KeyPath}' holds no readable PEM certificate", told[0], StringComparison.Ordinal);
        Assert.StartsWith(
            $"error: {_files.Path}:13:7: actorlb.listeners.mqtt.tls.certificates[0].key: '{one.KeyPath}' does not belong to the certificate {two.CertificatePath}",
            told[1], StringComparison.Ordinal);
        Assert.StartsWith($"error: {_files.Path}:14:11: actorlb.listeners.mqtt.tls.ciphers: 'nonsense' no cipher", told[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_FilesOfEmqxDiscovery_AreToldAtTheirPlaceToo_AndTheKeyStaysSecret()
    {
        var one = _certificates.Server(["lb-1"]);
        string key = _files.Add("emqx.key", "k3y:tops3cret:viewer\n"), bad = _files.Add("bad.key", "tops3cret\n");
        string text(string keyFile, string ca) => $$"""
            balance = sticky
            backends { emqx { api = "https://127.0.0.1:1", seed = on
            key-file = "{{keyFile}}"
            ca = "{{ca}}" } }
            """;
        _files.Write(text(bad, one.KeyPath));
        var check = await NodeFiles.RunAsync("check", _files.Path);
        Assert.Equal(1, check.ExitCode);
        string[] told = [.. check.Lines.Where(l => l.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.Equal(2, told.Length);
        Assert.Equal($"error: {_files.Path}:8:12: actorlb.pools.p.backends.emqx.key-file: '{bad}' line 1 is not KEY:SECRET", told[0]);
        Assert.StartsWith($"error: {_files.Path}:9:6: actorlb.pools.p.backends.emqx.ca: '{one.KeyPath}' holds no readable PEM certificate", told[1], StringComparison.Ordinal);

        _files.Write(text(key, _certificates.CaPath));
        check = await NodeFiles.RunAsync("check", _files.Path);
        Assert.Equal(0, check.ExitCode);
        var shown = await NodeFiles.RunAsync("show-config", _files.Path);
        Assert.Contains(shown.Lines, l => l.Trim() == $"key-file = \"{key}\"");
        Assert.DoesNotContain(shown.Lines.Concat(check.Lines), l => l.Contains("tops3cret", StringComparison.Ordinal) || l.Contains("k3y", StringComparison.Ordinal));
    }

    /// <summary>root without the one right, as a container may run it.</summary>
    [Fact]
    public async Task Check_PortsThatNeedARight_AreWarnedOfUnlessTheFileIsForElsewhere()
    {
        Assert.SkipUnless(Environment.UserName == "root" && File.Exists("/usr/bin/setpriv"), "needs root to give a right away");
        _files.Write("backends = [\"127.0.0.1:1\"]", more: "listeners.low { bind = \"127.0.0.1:2\", pool = p }\nlisteners.free { bind = \"127.0.0.1:0\", pool = p }");
        string[] without = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service", ActorLbProcess.Program, "check", _files.Path];
        var check = await ProcessHost.RunAsync("/usr/bin/setpriv", without);
        Assert.SkipWhen(File.ReadAllText("/proc/sys/net/ipv4/ip_unprivileged_port_start").Trim() == "0", "ports are anybody's here");
        Assert.Equal(0, check.ExitCode);
        Assert.Equal(
            $"warning: {_files.Path}:12:26: actorlb.listeners.low.bind: '127.0.0.1:2' needs permission to bind ports below 1024 (CAP_NET_BIND_SERVICE), which this user lacks",
            Assert.Single(check.Lines, l => l.StartsWith("warning: ", StringComparison.Ordinal)));
        Assert.DoesNotContain("warning", (await ProcessHost.RunAsync("/usr/bin/setpriv", [.. without, "--portable"])).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_Secrets_AreRead()
    {
        string empty = _files.Add("empty", "\n"), brief = _files.Add("brief", "too short\n");
        _files.Write("backends = [\"127.0.0.1:1\"]", more: $$"""
            admin.token-file = "{{empty}}"
            cluster.secret-file = "{{brief}}"
            """);
        var check = await NodeFiles.RunAsync("check", _files.Path);
        Assert.Equal(1, check.ExitCode);
        Assert.Contains(check.Lines, l => l.Contains($"actorlb.admin.token-file: '{empty}' is empty", StringComparison.Ordinal));
        Assert.Contains(check.Lines, l => l.Contains($"actorlb.cluster.secret-file: '{brief}' 9 bytes, at least 32 are needed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Check_WhatWillSurprise_IsWarnedOfAtItsPlaceAndIsNoError()
    {
        using var intermediate = _certificates.Intermediate("Int", notAfter: DateTimeOffset.UtcNow.AddDays(3).AddHours(1));
        TestCertificate old = _certificates.Server(["a.test"], notAfter: DateTimeOffset.UtcNow.AddDays(-1), rsa: true), bare = _certificates.Server(["a.test"], issuer: intermediate);
        var upstream = _certificates.Client("CN=lb", notAfter: DateTimeOffset.UtcNow.AddDays(9).AddHours(1));
        string alone = _files.Add("alone.pem", bare.Certificate.ExportCertificatePem());
        string clients = _certificates.Join(_certificates.CaPath, _files.Add("int.pem", intermediate.ExportCertificatePem()));
        string list = _certificates.RevocationListOf(_certificates.Root, TimeSpan.FromDays(-9), TimeSpan.FromDays(-1));
        _files.Write(
            $$"""
            backends = ["127.0.0.1:1"]
            tls { certificate = "{{upstream.CertificatePath}}", key = "{{upstream.KeyPath}}" }
            """,
            $$"""
            idle-timeout = 20s
            tls { certificate = ["{{old.CertificatePath}}",
            "{{alone}}"], key = ["{{old.KeyPath}}", "{{bare.KeyPath}}"]
            client-ca = "{{clients}}", verify-client = on
            crl = "{{list}}"
            protocols = [TLSv1.1, TLSv1.2]
            }
            """);

        var check = await NodeFiles.RunAsync("check", _files.Path);

        Assert.Equal(0, check.ExitCode);
        Assert.Contains($"{_files.Path}: the configuration is valid (1 listener, 1 pool)", check.Lines);
        string listener = "actorlb.listeners.mqtt.tls";
        (string Place, string Text)[] expected =
        [
            ("7:21", $"actorlb.pools.p.tls.certificate: '{upstream.CertificatePath}' expires in 9 days, on "),
            ("11:20", "actorlb.listeners.mqtt.idle-timeout: '20s' is shorter than 1.5 times the usual Keep Alive"),
            ("12:22", $"{listener}.certificate[0]: '{old.CertificatePath}' has expired on "),
            ("14:13", $"{listener}.client-ca: '{clients}' holds 'CN=Int', which expires in 3 days, on "),
            ("15:7", $"{listener}.crl: '{list}' holds no list of 'CN=Int' of client-ca: all clients with its certificates are refused"),
            ("15:7", $"{listener}.crl: '{list}' holds the list of 'CN=ActorLb Test CA', whose next update was due on "),
            ("16:13", $"{listener}.protocols: TLSv1 and TLSv1.1 work only with "),
        ];
        string[] told = [.. check.Lines.Where(l => l.StartsWith("warning: ", StringComparison.Ordinal))];
        Assert.True(expected.Length == told.Length, check.Output);
        Assert.All(expected.Zip(told), pair => Assert.StartsWith($"warning: {_files.Path}:{pair.First.Place}: {pair.First.Text}", pair.Second, StringComparison.Ordinal));

        // The issuer among client-ca vouches for the chain; without it clients would need the intermediate certificate.
        File.WriteAllText(clients, File.ReadAllText(_certificates.CaPath));
        check = await NodeFiles.RunAsync("check", _files.Path);
        Assert.Contains(check.Lines, l => l.StartsWith($"warning: {_files.Path}:13:1: {listener}.certificate[1]: '{alone}' holds no chain: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Check_TwoCertificatesOfOneKind_NamesTheSecond()
    {
        TestCertificate one = _certificates.Server(["a.test"]), two = _certificates.Server(["a.test"]);
        _files.Write("backends = [\"127.0.0.1:1\"]", $$"""
            tls { certificate = ["{{one.CertificatePath}}",
            "{{two.CertificatePath}}"], key = ["{{one.KeyPath}}", "{{two.KeyPath}}"] }
            """);
        var check = await NodeFiles.RunAsync("check", _files.Path);
        Assert.Equal(1, check.ExitCode);
        Assert.Contains(check.Lines, l => l.StartsWith(
            $"error: {_files.Path}:11:1: actorlb.listeners.mqtt.tls.certificate[1]: '{two.CertificatePath}' is the second ECDSA certificate of the listener, after {one.CertificatePath}",
            StringComparison.Ordinal));
    }

    public void Dispose()
    {
        _files.Dispose();
        _certificates.Dispose();
    }

    private async Task HasAsync(string block, string certificate, string key, string ca, params string[] expected)
    {
        File.WriteAllText(_files.Path, $$"""
            actorlb {
              {{block}} {
              certificate = "{{certificate}}"
              key = "{{key}}"
              ca = "{{ca}}"
              }
              pools.p.backends = ["127.0.0.1:1"]
              listeners.mqtt { bind = "127.0.0.1:0", pool = p }
            }
            """);
        var check = await NodeFiles.RunAsync("check", _files.Path);
        string[] told = [.. check.Lines.Where(l => l.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.Equal((expected.Length == 0 ? 0 : 1, expected.Length, check.Output), (check.ExitCode, told.Length, check.Output));
        Assert.All(expected.Zip(told), pair => Assert.StartsWith($"error: {_files.Path}:{pair.First}", pair.Second, StringComparison.Ordinal));
    }
}
