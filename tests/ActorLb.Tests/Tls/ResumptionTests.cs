using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Tls;

public sealed class ResumptionTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TestCertificate _certificate;
    private readonly string _session;

    public ResumptionTests()
    {
        _certificate = _ca.Server(["a.test"]);
        _session = Path.Combine(_ca.Directory, "session");
    }

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("-tls1_2", true)]
    [InlineData("-tls1_2", false)]
    [InlineData("-tls1_3", true)]
    [InlineData("-tls1_3", false)]
    public async Task Session_WithTicketOrId_IsResumed(string version, bool tickets)
    {
        using var server = new TlsTestServer(Options with { SessionTickets = tickets, SessionCache = tickets ? 0 : 65536 });
        Assert.False(await Connect(server, version, "-sess_out"));
        Assert.True(await Connect(server, version, "-sess_in"));
        Assert.True(await Connect(server, version, "-sess_in"));
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Session_WithCacheAndTicketsOff_IsNotResumed(string version)
    {
        using var server = new TlsTestServer(Options with { SessionTickets = false, SessionCache = 0 });
        Assert.False(await Connect(server, version, "-sess_out"));
        if (File.Exists(_session))
        {
            Assert.False(await Connect(server, version, "-sess_in"));
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1024, 2)]
    public async Task Session_OverTheSizeOfTheCache_PutsTheOldestOut(int size, int newest)
    {
        const int Sessions = 5;

        // By id: with tickets the clients keep the sessions themselves.
        using var server = new TlsTestServer(Options with { SessionTickets = false, SessionCache = size });
        async Task<bool> Connect(string use, int number) =>
            (await ConnectAs(server, "-tls1_2", use, $"{_session}{number}", [])).Reused;
        for (int i = 0; i < Sessions; i++)
        {
            Assert.False(await Connect("-sess_out", i));
        }

        // 1,024 bytes are three sessions by NGINX's measure, and OpenSSL puts the oldest out when the third comes.
        for (int i = 1; i <= newest; i++)
        {
            Assert.True(await Connect("-sess_in", Sessions - i), $"session {Sessions - i} is gone");
        }

        Assert.False(await Connect("-sess_in", 0));
    }

    [Theory]
    [InlineData("-tls1_2", 80)]
    [InlineData("-tls1_3", 80)]
    [InlineData("-tls1_2", 48)]
    [InlineData("-tls1_3", 48)]
    public async Task Session_OverTwoNodesWithOneKeyFile_IsResumed(string version, int length)
    {
        string keys = _ca.Write("ticket.key", [.. Enumerable.Range(0, length).Select(i => (byte)i)]);
        using var one = new TlsTestServer(Options with { TicketKeyFile = keys });
        using var two = new TlsTestServer(Options with { TicketKeyFile = keys });
        Assert.False(await Connect(one, version, "-sess_out"));
        Assert.True(await Connect(two, version, "-sess_in"));
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Session_OverTwoNodesWithKeysOfTheirOwn_StartsAnew(string version)
    {
        using var one = new TlsTestServer(Options);
        using var two = new TlsTestServer(Options);
        Assert.False(await Connect(one, version, "-sess_out"));
        Assert.False(await Connect(two, version, "-sess_in"));
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Keys_Rotated_ResumeUntilTheKeyIsGone(string version)
    {
        using var server = new TlsTestServer(Options);
        var first = TicketKey.CreateRandom();
        var second = TicketKey.CreateRandom();
        server.Context.SetTicketKeys([first]);
        Assert.False(await Connect(server, version, "-sess_out"));
        server.Context.SetTicketKeys([second, first]);
        Assert.True(await Connect(server, version, "-sess_in"));
        server.Context.SetTicketKeys([second]);
        Assert.False(await Connect(server, version, "-sess_in"));
    }

    [Fact]
    public async Task Ring_OfTheContextBeforeReload_KeepsTicketsGood()
    {
        using var one = new TlsTestServer(Options);
        Assert.False(await Connect(one, "-tls1_3", "-sess_out"));
        using var two = new TlsTestServer(TlsServerContext.Build(Options, false, TimeProvider.System, one.Context.TicketKeys));
        Assert.True(await Connect(two, "-tls1_3", "-sess_in"));
    }

    [Fact]
    public async Task Session_MadeWithOtherClientVerification_StartsAnew()
    {
        string keys = _ca.Write("ticket.key", new byte[80]);
        using var open = new TlsTestServer(Options with { TicketKeyFile = keys });
        using var strict = new TlsTestServer(
            Options with { TicketKeyFile = keys, VerifyClient = VerifyClient.Optional, ClientCa = _ca.CaPath });
        Assert.False(await Connect(open, "-tls1_3", "-sess_out"));
        Assert.False(await Connect(strict, "-tls1_3", "-sess_in"));
    }

    [Fact]
    public async Task ClientCertificate_OfResumedSession_IsStillKnown()
    {
        var client = _ca.Client("CN=device-7");
        using var server = new TlsTestServer(Options with { VerifyClient = VerifyClient.On, ClientCa = _ca.CaPath });
        string[] arguments = ["-cert", client.CertificatePath, "-key", client.KeyPath];
        var seen = await ConnectAs(server, "-tls1_3", "-sess_out", arguments);
        Assert.Equal(TlsProxyClient.Ssl | TlsProxyClient.CertificateOfConnection | TlsProxyClient.CertificateOfSession, seen.Proxy!.Client);
        seen = await ConnectAs(server, "-tls1_3", "-sess_in", arguments);
        Assert.True(seen.Reused);
        Assert.Equal("device-7", seen.Client!.CommonName);
        Assert.Equal(TlsProxyClient.Ssl | TlsProxyClient.CertificateOfSession, seen.Proxy!.Client);
        Assert.Equal(0u, seen.Proxy.Verify);
    }

    [Fact]
    public void Ring_OfOwnKeys_RotatesAfterTheLifeTimeAndKeepsOneOld()
    {
        var time = new FakeTimeProvider();
        var ring = new TicketKeyRing(time, TimeSpan.FromMinutes(10));
        var first = ring.ForEncryption();
        time.Advance(TimeSpan.FromMinutes(9));
        Assert.Same(first, ring.ForEncryption());
        time.Advance(TimeSpan.FromMinutes(1));
        var second = ring.ForEncryption();
        Assert.NotSame(first, second);
        Assert.Same(first, ring.ForDecryption(first.Name, out bool renew));
        Assert.True(renew);
        Assert.Same(second, ring.ForDecryption(second.Name, out renew));
        Assert.False(renew);
        time.Advance(TimeSpan.FromMinutes(10));
        _ = ring.ForEncryption();
        Assert.Null(ring.ForDecryption(first.Name, out _));
        Assert.NotNull(ring.ForDecryption(second.Name, out _));
    }

    [Fact]
    public void Ring_KeptOverAChangeOfTheTimeOut_RotatesByTheNewOne()
    {
        var time = new FakeTimeProvider();
        using var before = TlsServerContext.Build(Options with { SessionTimeout = TimeSpan.FromMinutes(10) }, webSocket: false, time);
        var first = before.TicketKeys.ForEncryption();
        using var after = TlsServerContext.Build(
            Options with { SessionTimeout = TimeSpan.FromHours(1) }, webSocket: false, time, before.TicketKeys);
        time.Advance(TimeSpan.FromMinutes(59));
        Assert.Same(first, after.TicketKeys.ForEncryption());
    }

    [Theory]
    [InlineData(80, 1, true)]
    [InlineData(160, 2, true)]
    [InlineData(240, 3, true)]
    [InlineData(48, 1, false)]
    [InlineData(96, 2, false)]
    [InlineData(0, 0, false)]
    [InlineData(47, 0, false)]
    [InlineData(128, 0, false)]
    public void Parse_OfLength_YieldsKeys(int length, int count, bool isLong)
    {
        byte[] bytes = Enumerable.Range(0, length).Select(i => (byte)i).ToArray();
        var keys = TicketKey.Parse(bytes);
        Assert.Equal(count, keys.Length);
        Assert.All(keys, k => Assert.Equal(isLong, k.IsLong));
        if (count > 0)
        {
            Assert.Equal(bytes[..16], keys[0].Name.ToArray());
            Assert.Equal(isLong ? bytes[16..48] : bytes[32..48], keys[0].Hmac.ToArray());
            Assert.Equal(isLong ? bytes[48..80] : bytes[16..32], keys[0].Aes.ToArray());
        }
    }

    private ListenerTlsOptions Options => TlsOptions.For(_certificate);

    private async Task<bool> Connect(TlsTestServer server, string version, string use) =>
        (await ConnectAs(server, version, use, [])).Reused;

    private Task<Seen> ConnectAs(TlsTestServer server, string version, string use, string[] arguments) =>
        ConnectAs(server, version, use, _session, arguments);

    private static async Task<Seen> ConnectAs(TlsTestServer server, string version, string use, string session, string[] arguments)
    {
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, [version, "-servername", "a.test", use, session, .. arguments]);
        var seen = await served;
        Assert.True(seen.Outcome.Status == HandshakeStatus.Done, seen.Outcome.Reason);
        Assert.Contains(seen.Reused ? "Reused, TLSv1" : "New, TLSv1", output, StringComparison.Ordinal);
        return seen;
    }
}
