using ActorLb.Balancing;
using ActorLb.FunctionalTests.Harness;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>A new certificate is served without a connection dropped; a bad one leaves the old in place.</summary>
public sealed class ReloadTests : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private string _certificate = null!;
    private string _key = null!;
    private string _text = null!;
    private TestNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _certificate = Path.Combine(_ca.Directory, "live.pem");
        _key = Path.Combine(_ca.Directory, "live.key");
        Install(_ca.Server(["one.test"], notAfter: DateTimeOffset.UtcNow.AddDays(90)));
        _text = TestNode.Text(TestNode.Backends(_broker), $"tls {{ certificate = \"{_certificate}\", key = \"{_key}\" }}");
        _node = await TestNode.StartTextAsync(_text);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Fact]
    public async Task Reload_NewCertificate_IsServedAndNobodyIsDropped()
    {
        await using var old = await Open("old");
        Install(_ca.Server(["two.test"]));
        await _node.ReloadAsync(_text);
        Assert.Equal("CN=two.test", await Served());
        await Echoes(old);
    }

    [Theory]
    [InlineData("certificate")]
    [InlineData("key")]
    [InlineData("pair")]
    public async Task Reload_BadFile_KeepsTheOldAndNamesIt(string what)
    {
        await using var old = await Open("old");
        if (what == "certificate")
            File.WriteAllText(_certificate, "no certificate");
        else if (what == "key")
            File.WriteAllText(_key, "no key");
        else
            File.Copy(_ca.Server(["two.test"]).KeyPath, _key, overwrite: true);
        var error = await Assert.ThrowsAsync<TlsConfigurationException>(() => _node.ReloadAsync(_text));
        Assert.Contains("listener mqtt: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(what == "certificate" ? _certificate : _key, error.Message, StringComparison.Ordinal);
        Assert.Equal("CN=one.test", await Served());
        await Echoes(old);
    }

    [Fact]
    public async Task Metrics_OfCertificates_TellWhenTheyExpire()
    {
        string page = MetricsText.Of(_node.Node);
        string line = page.Split('\n').Single(l => l.StartsWith("actorlb_certificate_expiry_timestamp_seconds{", StringComparison.Ordinal));
        Assert.StartsWith($"actorlb_certificate_expiry_timestamp_seconds{{listener=\"mqtt\",file=\"{_certificate}\"}} ", line, StringComparison.Ordinal);
        var end = DateTimeOffset.FromUnixTimeSeconds(long.Parse(line.Split(' ')[1]));
        Assert.InRange((end - DateTimeOffset.UtcNow).TotalDays, 89, 91);
        Assert.DoesNotContain(_node.Log.Lines, l => l.Text.Contains("expires in", StringComparison.Ordinal));

        Install(_ca.Server(["two.test"], notAfter: DateTimeOffset.UtcNow.AddDays(29)));
        await using var soon = await TestNode.StartTextAsync(_text);
        await soon.UntilAsync(() => soon.Log.Lines.Any(l => l.Level == LogLevel.Warning
            && l.Text.StartsWith($"listener mqtt: the certificate {_certificate} expires in 28 days, on ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Metrics_OfAuthoritiesAndRevocationLists_TellTheirDates()
    {
        var upstream = _ca.Client("CN=lb", notAfter: DateTimeOffset.UtcNow.AddDays(50));
        string list = _ca.RevocationListOf(_ca.Root, TimeSpan.FromDays(-9), TimeSpan.FromHours(-1));
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + $"tls {{ ca = \"{_ca.CaPath}\", certificate = \"{upstream.CertificatePath}\", key = \"{upstream.KeyPath}\" }}",
            TlsListener.Verifying(_ca.Server(["one.test"]), _ca, more: $"crl = \"{list}\""));
        string page = MetricsText.Of(node.Node);
        Assert.InRange(Left($"actorlb_certificate_expiry_timestamp_seconds{{pool=\"p\",file=\"{upstream.CertificatePath}\"}} "), 49, 51);
        Assert.InRange(Left($"actorlb_ca_expiry_timestamp_seconds{{pool=\"p\",file=\"{_ca.CaPath}\"}} "), 3640, 3651);
        Assert.InRange(Left($"actorlb_ca_expiry_timestamp_seconds{{listener=\"mqtt\",file=\"{_ca.CaPath}\"}} "), 3640, 3651);
        Assert.InRange(Left($"actorlb_crl_expiry_timestamp_seconds{{listener=\"mqtt\",file=\"{list}\"}} "), -1, 0);
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Level == LogLevel.Error
            && l.Text.StartsWith($"listener mqtt: the CRL file {list} holds the list of 'CN=ActorLb Test CA', whose next update was due on ", StringComparison.Ordinal)));

        double Left(string start)
        {
            string line = page.Split('\n').Single(l => l.StartsWith(start, StringComparison.Ordinal));
            return (DateTimeOffset.FromUnixTimeSeconds(long.Parse(line[start.Length..])) - DateTimeOffset.UtcNow).TotalDays;
        }
    }

    [Fact]
    public async Task Certificates_OfBothKinds_AreWatchedAndToldOfAlike()
    {
        TestCertificate rsa = _ca.Server(["one.test"], rsa: true), ecdsa = _ca.Server(["one.test"], notAfter: DateTimeOffset.UtcNow.AddDays(100));
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), $$"""
            tls { certificate = ["{{rsa.CertificatePath}}", "{{ecdsa.CertificatePath}}"], key = ["{{rsa.KeyPath}}", "{{ecdsa.KeyPath}}"] }
            """);
        string page = MetricsText.Of(node.Node);
        foreach (var one in new[] { rsa, ecdsa })
        {
            Assert.Contains($"actorlb_certificate_expiry_timestamp_seconds{{listener=\"mqtt\",file=\"{one.CertificatePath}\"}} ", page, StringComparison.Ordinal);
        }

        foreach (var (changed, signatures) in new[] { (ecdsa, "ecdsa_secp256r1_sha256"), (rsa, "rsa_pss_rsae_sha256") })
        {
            var renewed = _ca.Server(["renewed.test"], rsa: changed == rsa);
            File.Copy(renewed.CertificatePath, changed.CertificatePath, overwrite: true);
            File.Copy(renewed.KeyPath, changed.KeyPath, overwrite: true);
            await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains("changed and now in use", StringComparison.Ordinal)
                && l.Text.Contains(changed.CertificatePath, StringComparison.Ordinal)));
            Assert.Contains("subject=CN = renewed.test", await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-sigalgs", signatures), StringComparison.Ordinal);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Watch_FilesChanged_ServesTheNewOneKeepsItOverABadOne()
    {
        await using var old = await Open("old");
        Install(_ca.Server(["two.test"]));
        await _node.UntilAsync(() => Has("changed and now in use"));
        Assert.Equal("CN=two.test", await Served());

        File.WriteAllText(_certificate, "no certificate");
        await _node.UntilAsync(() => Has("changed but not usable, the previous ones stay in use: " + _certificate));
        Assert.Contains("actorlb_certificate_failures_total 1\n", MetricsText.Of(_node.Node), StringComparison.Ordinal);
        Assert.Equal("CN=two.test", await Served());

        Install(_ca.Server(["three.test"]));
        await _node.UntilAsync(() => _node.Log.Lines.Count(l => l.Text.Contains("changed and now in use", StringComparison.Ordinal)) == 2);
        Assert.Equal("CN=three.test", await Served());
        await Echoes(old);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Watch_RevocationListAndUpstreamFilesChanged_HoldForNewConnections()
    {
        var device = _ca.Client("CN=device");
        string none = _ca.RevocationList([]);
        string crl = Path.Combine(_ca.Directory, "live.crl");
        File.Copy(none, crl);
        string trusted = Path.Combine(_ca.Directory, "upstream-ca.pem");
        using var stranger = new TestCertificates("A Stranger's CA");
        File.Copy(stranger.CaPath, trusted);
        var server = _ca.Server(["127.0.0.1"]);
        await using var broker = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(Tls: new(server.CertificatePath, server.KeyPath))] });
        await using var node = await TestNode.StartAsync(
            $"backends = [{{ address = \"{broker.EndPoint}\", max-fails = 0 }}]\ntls {{ ca = \"{trusted}\" }}",
            TlsListener.Verifying(server, _ca, more: $"crl = \"{crl}\""));
        await using (var client = await SecureClient.ConnectAsync(node.EndPoint, device.Certificate))
        {
            await client.SendAsync(ConnectBytes.V311("a"));
            Assert.Equal([0x20, 2, 0, 3], await client.ReadAsync(4));
        }

        File.Copy(_ca.CaPath, trusted, overwrite: true);
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.EndsWith("now in use: " + trusted, StringComparison.Ordinal)));
        await using (var client = await SecureClient.ConnectAsync(node.EndPoint, device.Certificate))
        {
            await client.SendAsync(ConnectBytes.V311("a"));
            Assert.Equal([0x20, 2, 0, 0], await client.ReadAsync(4));
        }

        File.Copy(_ca.RevocationList([device.Certificate]), crl, overwrite: true);
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.EndsWith("now in use: " + crl, StringComparison.Ordinal)));
        string output = await OpenSslClient.FailAsync(node.EndPoint, "-cert", device.CertificatePath, "-key", device.KeyPath);
        Assert.Contains("alert number 44", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("speed", "slow")]
    public async Task AuthorityOfTheBackends_Changed_HoldsForTheirProbesToo(bool reload)
    {
        string trusted = Path.Combine(_ca.Directory, "probed-ca.pem");
        using var stranger = new TestCertificates("A Stranger's CA");
        File.Copy(stranger.CaPath, trusted);
        var server = _ca.Server(["127.0.0.1"]);
        await using var broker = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(Tls: new(server.CertificatePath, server.KeyPath))] });
        string text = TestNode.Text($$"""
            backends = ["{{broker.EndPoint}}"], tls { ca = "{{trusted}}" }
            health { probe = mqtt, interval = 100ms, timeout = 2s, rise = 1, fall = 1 }
            """);
        await using var node = await TestNode.StartTextAsync(text);
        var backend = node.Node.Pools.Single().Pool.Snapshot.Find(broker.EndPoint.ToString())!;
        await node.UntilAsync(() => backend.Health == HealthState.Down);
        File.Copy(_ca.CaPath, trusted, overwrite: true);
        if (reload)
            await node.ReloadAsync(text);
        await node.UntilAsync(() => backend.Health == HealthState.Up);
    }

    private void Install(TestCertificate certificate)
    {
        File.Copy(certificate.CertificatePath, _certificate, overwrite: true);
        File.Copy(certificate.KeyPath, _key, overwrite: true);
    }

    private bool Has(string text) => _node.Log.Lines.Any(l => l.Text.Contains(text, StringComparison.Ordinal));

    private async Task<string> Served()
    {
        await using var client = await SecureClient.ConnectAsync(_node.EndPoint);
        return client.Stream.RemoteCertificate!.Subject;
    }

    private async Task<SecureClient> Open(string id)
    {
        var client = await SecureClient.ConnectAsync(_node.EndPoint);
        await client.SendAsync(ConnectBytes.V311(id));
        Assert.Equal([0x20, 2, 0, 0], await client.ReadAsync(4));
        return client;
    }

    private static async Task Echoes(SecureClient client)
    {
        byte[] publish = ConnectBytes.Publish("t", "still here"u8);
        await client.SendAsync(publish);
        Assert.Equal(publish, await client.ReadAsync(publish.Length));
    }
}
