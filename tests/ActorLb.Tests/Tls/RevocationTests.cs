using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>Revocation lists as authorities really issue them: late, early, of one authority of a chain, several in a file.</summary>
public sealed class RevocationTests : IDisposable
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private readonly TestCertificates _ca = new();
    private readonly X509Certificate2 _intermediate;
    private readonly TestCertificate _deep, _direct, _revoked;

    public RevocationTests()
    {
        _intermediate = _ca.Intermediate("An Intermediate");
        _deep = _ca.Client("CN=deep", issuer: _intermediate);
        _direct = _ca.Client("CN=direct");
        _revoked = _ca.Client("CN=revoked");
    }

    public void Dispose()
    {
        _intermediate.Dispose();
        _ca.Dispose();
    }

    [Theory]
    [InlineData(CrlCheck.Leaf, null)]
    [InlineData(CrlCheck.Chain, "unable to get certificate CRL")]
    public async Task List_OfTheClientsIssuerAlone_IsEnoughForTheLeaf(CrlCheck check, string? reason) =>
        await Connects(With(List(_intermediate)) with { CrlCheck = check }, _deep, reason);

    [Theory]
    [InlineData(CrlCheck.Leaf, null)]
    [InlineData(CrlCheck.Chain, "certificate revoked")]
    public async Task Intermediate_RevokedByItsRoot_CountsForTheChain(CrlCheck check, string? reason) =>
        await Connects(With(_ca.Join(List(_intermediate), List(_ca.Root, _intermediate))) with { CrlCheck = check }, _deep, reason);

    [Theory]
    [InlineData(CrlExpired.Refuse, -30, -1, "CRL has expired")]
    [InlineData(CrlExpired.Warn, -30, -1, null)]
    [InlineData(CrlExpired.Refuse, 1, 30, "CRL is not yet valid")]
    [InlineData(CrlExpired.Warn, 1, 30, null)]
    public async Task List_OutOfItsTime_RefusesOrIsUsed(CrlExpired expired, int since, int until, string? reason)
    {
        var options = With(_ca.RevocationListOf(_ca.Root, since * Day, until * Day, [_revoked.Certificate])) with { CrlExpired = expired };
        var seen = await Connects(options, _direct, reason);
        if (expired == CrlExpired.Warn) Assert.Equal(0u, seen.Proxy!.Verify);
        await Connects(options, _revoked, reason ?? "certificate revoked");
    }

    [Fact]
    public async Task Lists_OldAndNewInOneFile_TheNewOneCounts()
    {
        string file = _ca.Join(_ca.RevocationListOf(_ca.Root, -30 * Day, -1 * Day), List(_ca.Root, _revoked.Certificate), _ca.RevocationListOf(_ca.Root, Day, 30 * Day));
        using var context = TlsServerContext.Build(With(file), false, TimeProvider.System);
        var now = DateTimeOffset.UtcNow;
        Assert.Null(Assert.Single(DatedEntry.InForce(context.Dated, now), e => e.Setting == TlsSetting.Crl).TextAt(now));
        await Connects(With(file), _direct, null);
        await Connects(With(file), _revoked, "certificate revoked");
    }

    [Theory]
    [InlineData("none", CrlCheck.Leaf, "holds no list of 'CN=An Intermediate' of client-ca: all clients with its certificates are refused")]
    [InlineData("intermediate", CrlCheck.Leaf, null)]
    [InlineData("intermediate", CrlCheck.Chain, "holds no list of 'CN=ActorLb Test CA' of client-ca: all clients with its certificates are refused")]
    [InlineData("both", CrlCheck.Chain, null)]
    [InlineData("both and unrelated", CrlCheck.Leaf, "holds the list of 'CN=A Stranger', which is none of client-ca's authorities")]
    [InlineData("both, one signed by another", CrlCheck.Leaf, "holds a list of 'CN=An Intermediate' that its key has not signed: all clients with its certificates are refused")]
    public void Lists_ThatDoNotFitTheAuthorities_AreWarnedOf(string lists, CrlCheck check, string? warning)
    {
        using var stranger = new TestCertificates("A Stranger");
        string file = lists switch
        {
            "none" => List(_ca.Root),
            "intermediate" => List(_intermediate),
            "both" => _ca.Join(List(_ca.Root), List(_intermediate)),
            "both and unrelated" => _ca.Join(List(_ca.Root), List(_intermediate), List(stranger.Root)),
            _ => _ca.Join(List(_ca.Root), _ca.RevocationListOf(_intermediate, -Day, 30 * Day, signer: _ca.Root)),
        };
        using var context = TlsServerContext.Build(With(file) with { CrlCheck = check }, false, TimeProvider.System);
        Assert.Equal(
            warning is null ? [] : [$"CRL file {file}: {warning}"],
            context.Warnings.Where(w => w.Setting == TlsSetting.Crl).Select(w => w.ToString()));
    }

    [Fact]
    public async Task Session_MadeUnderWarn_IsNotResumedUnderRefuse()
    {
        string list = _ca.RevocationListOf(_ca.Root, -30 * Day, -1 * Day);
        string keys = _ca.Write("ticket.key", new byte[80]);
        string session = Path.Combine(_ca.Directory, "session");
        string[] identity = ["-tls1_2", "-cert", _direct.CertificatePath, "-key", _direct.KeyPath];
        foreach (var (expired, status) in new[] { (CrlExpired.Warn, HandshakeStatus.Done), (CrlExpired.Refuse, HandshakeStatus.Failed) })
        {
            using var server = new TlsTestServer(With(list) with { CrlExpired = expired, TicketKeyFile = keys });
            var served = server.Serve(Talks.Greet);
            _ = await OpenSslClient.Run(server.Port, [.. identity, expired == CrlExpired.Warn ? "-sess_out" : "-sess_in", session]);
            Assert.Equal(status, (await served).Outcome.Status);
        }
    }

    private string List(X509Certificate2 authority, params X509Certificate2[] revoked) => _ca.RevocationListOf(authority, -Day, 30 * Day, revoked);

    private ListenerTlsOptions With(string list) => TlsOptions.For(_ca.Server(["a.test"])) with
    {
        VerifyClient = VerifyClient.On,
        ClientCa = _ca.Write("clients.pem", _ca.Root.ExportCertificatePem() + "\n" + _intermediate.ExportCertificatePem()),
        CrlFile = list,
    };

    private static async Task<Seen> Connects(ListenerTlsOptions options, TestCertificate client, string? reason)
    {
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(server.Port, "-tls1_3", "-cert", client.CertificatePath, "-key", client.KeyPath);
        var seen = await served;
        if (reason is null) Assert.True(seen.Outcome.Status == HandshakeStatus.Done, seen.Outcome.Reason);
        else Assert.StartsWith("certificate verify failed: " + reason, seen.Outcome.Reason, StringComparison.Ordinal);
        return seen;
    }
}
