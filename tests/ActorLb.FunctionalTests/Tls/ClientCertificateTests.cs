using System.Text.RegularExpressions;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Certificates that do not get in: the client gets the right alert (RFC 8446, section 6.2), the log the reason.</summary>
public sealed class ClientCertificateTests : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private readonly TestCertificates _stranger = new("A Stranger's CA");
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private TestCertificate _revoked = null!;
    private TestNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _revoked = _ca.Client("CN=revoked");
        string revocations = _ca.RevocationList([_revoked.Certificate]);
        _node = await TestNode.StartAsync(
            TestNode.Backends(_broker), TlsListener.Verifying(_ca.Server(["localhost"]), _ca, more: $"crl = \"{revocations}\""));
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
        _ca.Dispose();
        _stranger.Dispose();
    }

    [Theory]
    [InlineData("-tls1_2", "none", 40, "peer did not return a certificate")]
    [InlineData("-tls1_3", "none", 116, "peer did not return a certificate")]
    [InlineData("-tls1_2", "of another authority", 48, "unable to get local issuer certificate")]
    [InlineData("-tls1_3", "of another authority", 48, "unable to get local issuer certificate")]
    [InlineData("-tls1_2", "expired", 45, "certificate has expired")]
    [InlineData("-tls1_3", "expired", 45, "certificate has expired")]
    [InlineData("-tls1_2", "revoked", 44, "certificate revoked")]
    [InlineData("-tls1_3", "revoked", 44, "certificate revoked")]
    [InlineData("-tls1_2", "of a server", 43, "unsuitable certificate purpose")]
    [InlineData("-tls1_3", "of a server", 43, "unsuitable certificate purpose")]
    public async Task Handshake_WithCertificate_FailsWithAlertAndReason(string version, string certificate, int alert, string reason)
    {
        var shown = certificate switch
        {
            "of another authority" => _stranger.Client("CN=device"),
            "expired" => _ca.Client("CN=device", notAfter: DateTimeOffset.UtcNow.AddDays(-1)),
            "revoked" => _revoked,
            "of a server" => _ca.Server(["device"]),
            _ => null,
        };
        string output = await OpenSslClient.FailAsync(
            _node.EndPoint, [version, .. shown is null ? (string[])[] : ["-cert", shown.CertificatePath, "-key", shown.KeyPath]]);

        Assert.Matches(new Regex($@"alert number {alert}\b"), output);
        await _node.UntilClosedAsync(CloseReason.TlsFailed);
        await _node.Log.LineAsync(l => l.Text.Contains("TLS handshake failed", StringComparison.Ordinal)
            && l.Text.Contains(reason, StringComparison.Ordinal));
        Assert.Equal(1, _node.Sum(c => c.TlsFailed));
        Assert.Equal(0, _broker.Accepted);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public async Task Chain_OfOneIntermediate_PassesByVerifyDepth(int depth, bool passes)
    {
        using var intermediate = _ca.Intermediate("An Intermediate");
        var device = _ca.Client("CN=deep", issuer: intermediate);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), TlsListener.Verifying(_ca.Server(["localhost"]), _ca, more: $"verify-depth = {depth}"));
        string[] arguments = ["-tls1_3", "-cert", device.CertificatePath, "-cert_chain", device.CertificatePath, "-key", device.KeyPath];
        if (passes)
        {
            await OpenSslClient.TalkAsync(node.EndPoint, "Post-Handshake New Session Ticket arrived", arguments);
            await node.UntilAsync(() => node.Sum(c => c.TlsHandshakes) == 1);
            return;
        }

        await OpenSslClient.FailAsync(node.EndPoint, arguments);
        await node.UntilClosedAsync(CloseReason.TlsFailed);
        await node.Log.LineAsync(l => l.Text.Contains("certificate chain too long", StringComparison.Ordinal));
    }
}
