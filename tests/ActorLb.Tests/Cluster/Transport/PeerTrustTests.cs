using System.Net;
using System.Net.Sockets;
using System.Text;
using ActorLb.Cluster;
using ActorLb.Cluster.Transport;
using ActorLb.Configuration;
using ActorLb.Protocol.Peer;
using ActorLb.Testing;

namespace ActorLb.Tests.Cluster.Transport;

/// <summary>Who is let in, who is not, and what the operator reads of it on both sides.</summary>
public sealed class PeerTrustTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-peers");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task SameSecret_IsLetIn_WhateverEndsTheFile()
    {
        await using var a = await PeerNode.StartAsync("a", secretFile: Secret("s1", "0123456789abcdef"));
        await using var b = await PeerNode.StartAsync("b", secretFile: Secret("s2", "0123456789abcdef\n"));
        a.Connect(b);
        Assert.Equal("up b", await a.EventAsync());
        Assert.Equal("up a", await b.EventAsync());
    }

    [Theory]
    [InlineData("0123456789abcdefX")]
    [InlineData(null)]
    public async Task OtherSecret_IsKeptOut_AndBothSidesSayWhy(string? other)
    {
        await using var a = await PeerNode.StartAsync("a", secretFile: Secret("s1", "0123456789abcdef"));
        await using var b = await PeerNode.StartAsync("b", secretFile: other is null ? null : Secret("s2", other));
        var link = a.Connect(b);
        var line = await a.LoggedAsync("(Proof)");
        Assert.Contains("shared secret", line, StringComparison.Ordinal);
        Assert.Contains(b.Self.Address, line, StringComparison.Ordinal);
        Assert.DoesNotContain("0123456789abcdef", line, StringComparison.Ordinal);
        Assert.Contains("another secret", await b.LoggedAsync("a closed the connection"), StringComparison.Ordinal);
        Assert.False(link.IsUp);
    }

    [Fact]
    public async Task WrongProofOfADialler_IsKeptOutAndTold()
    {
        await using var b = await PeerNode.StartAsync("b", secretFile: Secret("s", "0123456789abcdef"));
        var (_, refusal, text) = await SpeakAsync(b, Hello("test"), _ => new byte[32]);
        Assert.Equal(PeerRefusal.Proof, refusal);
        Assert.Contains("shared secret", text, StringComparison.Ordinal);
        await b.LoggedAsync("(Proof)");
    }

    [Fact]
    public async Task ReplayedProof_IsWorthless()
    {
        // The nonces differ, so what was right for one connection is wrong for the next.
        var secret = Secret("s", "0123456789abcdef");
        await using var b = await PeerNode.StartAsync("b", secretFile: secret);
        var security = PeerSecurity.Load(PeerNode.Options(1, secretFile: secret));
        var mine = Hello("test");
        byte[]? recorded = null;
        var (accepted, _, _) = await SpeakAsync(b, mine, theirs => recorded = security.Proof("actorlb peer dialler"u8, mine, theirs));
        Assert.True(accepted);
        var (again, refusal, _) = await SpeakAsync(b, mine, _ => recorded!);
        Assert.False(again);
        Assert.Equal(PeerRefusal.Proof, refusal);
    }

    [Fact]
    public async Task OtherCluster_IsKeptOut_AndBothSidesNameBoth()
    {
        await using var a = await PeerNode.StartAsync("a", cluster: "blue");
        await using var b = await PeerNode.StartAsync("b", cluster: "green");
        a.Connect(b);
        foreach (var line in new[] { await a.LoggedAsync("(Cluster)"), await b.LoggedAsync("(Cluster)") })
        {
            Assert.Contains("\"blue\"", line, StringComparison.Ordinal);
            Assert.Contains("\"green\"", line, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task OtherHashKey_IsKeptOut()
    {
        await using var a = await PeerNode.StartAsync("a", keyCheck: 1);
        await using var b = await PeerNode.StartAsync("b", keyCheck: 2);
        a.Connect(b);
        await a.LoggedAsync("(HashKey)");
        await b.LoggedAsync("(HashKey)");
    }

    [Fact]
    public async Task SameName_IsKeptOut()
    {
        await using var a = await PeerNode.StartAsync("twin", incarnation: 1);
        await using var b = await PeerNode.StartAsync("twin", incarnation: 2);
        a.Connect(b);
        Assert.Contains("calls itself twin", await b.LoggedAsync("(SameName)"), StringComparison.Ordinal);
        Assert.Contains("turned away", await a.LoggedAsync("(SameName)"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OtherVersion_IsKeptOut_AndBothVersionsAreNamed()
    {
        await using var b = await PeerNode.StartAsync("b");
        var (_, refusal, text) = await SpeakAsync(b, Hello("test") with { Version = 99 });
        Assert.Equal(PeerRefusal.Version, refusal);
        Assert.Contains("99", text, StringComparison.Ordinal);
        Assert.Contains($"version {PeerHello.CurrentVersion}", await b.LoggedAsync("(Version)"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task HostileNames_DoNotBreakTheLog()
    {
        await using var b = await PeerNode.StartAsync("b");
        var name = string.Concat(Enumerable.Repeat("\n\u001b[31m猫", 20));
        var (_, refusal, _) = await SpeakAsync(b, Hello(name));
        Assert.Equal(PeerRefusal.Cluster, refusal);
        Assert.DoesNotContain('\n', await b.LoggedAsync("(Cluster)"));
    }

    [Theory]
    [InlineData("hello, is this MQTT?\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n")]
    [InlineData("")]
    public async Task Garbage_IsToldAndClosed_AndPeersStillConnect(string bytes)
    {
        await using var b = await PeerNode.StartAsync("b");
        using (var socket = new TcpClient())
        {
            await socket.ConnectAsync(IPAddress.Loopback, b.Transport.Port);
            var stream = socket.GetStream();
            await stream.WriteAsync(Encoding.Latin1.GetBytes(bytes));
            socket.Client.Shutdown(SocketShutdown.Send);
            await b.LoggedAsync("(Garbage)");
            try
            {
                await stream.CopyToAsync(Stream.Null).WaitAsync(PeerNode.Patience);
            }
            catch (IOException)
            {
                // Reset is closed, too.
            }
        }

        await using var a = await PeerNode.StartAsync("a");
        a.Connect(b);
        Assert.Equal("up b", await a.EventAsync());
    }

    [Fact]
    public async Task GarbageInsideHttp_IsToldAndRefused()
    {
        await using var b = await PeerNode.StartAsync("b");
        var (_, refusal, _) = await SpeakAsync(b, null, raw: Encoding.ASCII.GetBytes("this is not a frame at all, is it?"));
        Assert.Equal(PeerRefusal.Malformed, refusal);
        await b.LoggedAsync("(Malformed)");
    }

    [Fact]
    public async Task Flood_OfGarbage_IsLoggedOnceAndCounted()
    {
        await using var b = await PeerNode.StartAsync("b");
        for (var i = 0; i < 20; i++)
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(IPAddress.Loopback, b.Transport.Port);
            await socket.GetStream().WriteAsync("garbage and more garbage"u8.ToArray());
            try
            {
                Assert.Equal(0, await socket.GetStream().ReadAsync(new byte[100]));
            }
            catch (IOException)
            {
                // Reset.
            }
        }

        Assert.Equal(20, b.Transport.Faults.CountOf(PeerFault.Garbage));
        await b.LoggedAsync("(Garbage)");
        b.Transport.Faults.Report(PeerFault.Garbage, "marker", "held back as well");
        b.Transport.Faults.Report(PeerFault.Timeout, "marker", "another kind");
        Assert.Contains("another kind", await b.LoggedAsync("marker"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task DiallingSomethingElse_IsTold()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var answering = Task.Run(async () =>
        {
            using var socket = await listener.AcceptTcpClientAsync();
            await socket.GetStream().WriteAsync("220 mail.example.com ESMTP ready\r\n"u8.ToArray());
        });
        await using var a = await PeerNode.StartAsync("a");
        a.Transport.Connect(new PeerEndpoint(new PeerId("b", 1), $"{listener.LocalEndpoint}"));
        Assert.Contains($"b at {listener.LocalEndpoint}", await a.LoggedAsync("(Garbage)"), StringComparison.Ordinal);
        await answering;
    }

    [Fact]
    public async Task Tls_WithCertificatesOfOneAuthority_IsLetIn()
    {
        using var authority = new ServiceAuthority(_folder.FullName, "ca");
        await using var a = await PeerNode.StartAsync("a", tls: Certificate(authority, "a"));
        await using var b = await PeerNode.StartAsync("b", tls: Certificate(authority, "b"));
        var link = a.Connect(b);
        Assert.Equal("up b", await a.EventAsync());
        Assert.True(link.Send(PeerNode.Frame(7, 100), PeerLane.Calls));
        Assert.Equal(PeerNode.Frame(7, 100), await b.FrameAsync());
    }

    [Fact]
    public async Task Tls_WithACertificateOfAnotherAuthority_IsKeptOut()
    {
        using var authority = new ServiceAuthority(_folder.FullName, "ca");
        using var stranger = new ServiceAuthority(_folder.FullName, "stranger");
        await using var b = await PeerNode.StartAsync("b", tls: Certificate(authority, "b"));
        await using var distrusting = await PeerNode.StartAsync("a", tls: Certificate(stranger, "a"));
        distrusting.Connect(b);
        await distrusting.LoggedAsync("(Tls)");

        // One that trusts b, but whose own certificate b does not know.
        var (file, key) = stranger.Issue("c");
        await using var unknown = await PeerNode.StartAsync("c", tls: new ServiceTlsOptions(file, key, authority.CertificateFile));
        unknown.Connect(b);
        await b.LoggedAsync("(Tls)");
        Assert.True(b.Transport.Faults.CountOf(PeerFault.Tls) >= 1);
    }

    [Fact]
    public async Task ClearTextPeer_AtATlsPort_IsKeptOutAndTold()
    {
        using var authority = new ServiceAuthority(_folder.FullName, "ca");
        await using var b = await PeerNode.StartAsync("b", tls: Certificate(authority, "b"));
        await using var a = await PeerNode.StartAsync("a");
        var link = a.Connect(b);
        Assert.Contains("TLS", await b.LoggedAsync("(Tls)"), StringComparison.Ordinal);
        await a.LoggedAsync("Peer b at");
        Assert.False(link.IsUp);
    }

    [Fact]
    public void Check_NothingToKnowPeersBy_IsAnErrorUnlessOnLoopback()
    {
        Assert.Null(PeerSecurity.Check(PeerNode.Options(7946)));
        var open = PeerNode.Options(7946) with { Bind = new IPEndPoint(IPAddress.Any, 7946) };
        Assert.Contains("cluster.secret-file", PeerSecurity.Check(open), StringComparison.Ordinal);
        Assert.Contains("0.0.0.0:7946", PeerSecurity.Check(open), StringComparison.Ordinal);
        Assert.Null(PeerSecurity.Check(open with { SecretFile = "s" }));
        Assert.Null(PeerSecurity.Check(open with { Tls = new ServiceTlsOptions("c", "k", "ca") }));
        Assert.Contains("cluster.tls", PeerSecurity.Check(open with { Tls = new ServiceTlsOptions("c", "k", null) }), StringComparison.Ordinal);
        Assert.Contains("cluster.tls", PeerSecurity.Check(open with { Tls = new ServiceTlsOptions(null, null, "ca") }), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_UnusableSecretFile_IsNamed()
    {
        var missing = Path.Combine(_folder.FullName, "missing");
        Assert.Contains(missing, Assert.Throws<InvalidOperationException>(() => PeerSecurity.Load(PeerNode.Options(1, secretFile: missing))).Message, StringComparison.Ordinal);
        var weak = Secret("weak", "short\n");
        var error = Assert.Throws<InvalidOperationException>(() => PeerSecurity.Load(PeerNode.Options(1, secretFile: weak)));
        Assert.Contains("5 bytes", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("short", error.Message, StringComparison.Ordinal);
    }

    private static PeerHello Hello(string cluster) => new(
        PeerHello.CurrentVersion, cluster, "stranger", 7, "127.0.0.1:1", new byte[PeerHello.NonceSize], [], 1, 0);

    /// <summary>A dialler written by hand: says Hello, then what it is told to.</summary>
    private static async Task<(bool Accepted, PeerRefusal? Refusal, string Text)> SpeakAsync(
        PeerNode node, PeerHello? hello, Func<PeerHello, byte[]>? proof = null, byte[]? raw = null)
    {
        using var patience = new CancellationTokenSource(PeerNode.Patience);
        using var http = new HttpClient();
        using var content = new DuplexContent();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{node.Self.Address}/peer")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
        var output = await content.Output;
        var buffer = new byte[PeerHello.MaxSize];
        await output.WriteAsync(raw ?? buffer.AsMemory(0, hello!.Write(buffer)), patience.Token);
        await output.FlushAsync(patience.Token);
        var reader = new FrameReader(await response.Content.ReadAsStreamAsync(patience.Token), PeerHello.MaxSize);
        while (true)
        {
            while (!reader.HasFrameOrFault)
            {
                Assert.True(await reader.FillAsync(patience.Token));
            }

            var answer = Read(reader, proof ?? (_ => throw new InvalidOperationException("no proof was to be asked for")), out var result);
            if (answer is null)
            {
                content.Finish();
                return result;
            }

            await output.WriteAsync(answer, patience.Token);
            await output.FlushAsync(patience.Token);
        }
    }

    private static byte[]? Read(FrameReader reader, Func<PeerHello, byte[]> proof, out (bool, PeerRefusal?, string) result)
    {
        result = default;
        Assert.True(reader.TryNext(out var frame, out _));
        Assert.Equal(PeerFrameError.None, PeerFrameHeader.TryRead(frame, out var header));
        switch (header.Type)
        {
            case PeerFrameType.Hello:
                Assert.Equal(PeerFrameError.None, PeerHello.TryRead(frame, out var theirs, out _));
                var buffer = new byte[PeerProof.FrameSize];
                PeerProof.Write(buffer, proof(theirs!));
                return buffer;
            case PeerFrameType.Refuse:
                Assert.Equal(PeerFrameError.None, PeerRefuse.TryRead(frame, out var refusal, out var text));
                result = (false, refusal, text);
                return null;
            default:
                Assert.Equal(PeerFrameType.Proof, header.Type);
                result = (true, null, "");
                return null;
        }
    }

    private string Secret(string name, string text)
    {
        var file = Path.Combine(_folder.FullName, name);
        File.WriteAllText(file, text);
        return file;
    }

    private static ServiceTlsOptions Certificate(ServiceAuthority authority, string name)
    {
        var (file, key) = authority.Issue(name);
        return new ServiceTlsOptions(file, key, authority.CertificateFile);
    }
}
