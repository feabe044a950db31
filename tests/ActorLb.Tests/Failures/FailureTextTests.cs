using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Protocol.Failures;
using ActorLb.Testing;

namespace ActorLb.Tests.Failures;

/// <summary>The runtime's exceptions, as real peers and files bring them about, in words for operators.</summary>
public sealed class FailureTextTests : IDisposable
{
    private readonly TcpListener _peer = new(IPAddress.Loopback, 0);
    private readonly TestCertificates _authority = new();
    private readonly TempFolder _folder = new();

    public FailureTextTests() => _peer.Start();

    private IPEndPoint EndPoint => (IPEndPoint)_peer.LocalEndpoint;

    [Fact]
    public async Task Tls_AgainstAPlainPort_IsNamed()
    {
        _ = ServeAsync(async stream => await stream.WriteAsync("\u0020\u0002\u0000\u0000 no TLS at all"u8.ToArray()));
        Assert.Equal("the other side does not speak TLS", await HandshakeAsync());
    }

    [Fact]
    public async Task Tls_PeerCloses_IsNamed()
    {
        _ = ServeAsync(async stream => _ = await stream.ReadAtLeastAsync(new byte[512], 1, throwOnEndOfStream: false));
        Assert.Contains(await HandshakeAsync(), (string[])["the other side closed the connection", "the other side reset the connection"]);
    }

    [Theory]
    [InlineData("localhost", 1, false, "the other side's certificate is not signed by an authority trusted here")]
    [InlineData("localhost", 1, true, null)]
    [InlineData("elsewhere.example", 1, true, "the other side's certificate is for another name")]
    [InlineData("localhost", -1, true, "the other side's certificate has expired, or is not valid yet")]
    public async Task Tls_BadCertificate_IsNamed(string name, int days, bool trusted, string? expected)
    {
        var own = _authority.Server(["localhost"], notAfter: DateTimeOffset.UtcNow.AddDays(days));
        using var certificate = X509Certificate2.CreateFromPemFile(own.CertificatePath, own.KeyPath);
        _ = ServeAsync(async stream =>
        {
            await using var tls = new SslStream(stream);
            await tls.AuthenticateAsServerAsync(certificate);
            _ = await tls.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
        });
        Assert.Equal(expected, await HandshakeAsync(name, trusted));
    }

    [Theory]
    [InlineData("", "it closed the connection without an HTTP answer")]
    [InlineData("220 mail\r\n", "it does not speak HTTP")]
    public async Task Http_NoAnswer_IsNamed(string answer, string expected)
    {
        _ = ServeAsync(async stream =>
        {
            _ = await stream.ReadAtLeastAsync(new byte[4096], 1, throwOnEndOfStream: false);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
        });
        using var http = new HttpClient();
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync($"http://{EndPoint}/metrics"));
        Assert.Equal(expected, FailureText.Describe(e));
    }

    [Theory]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the upgrade to WebSocket got HTTP status 404 instead of 101")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "the other side's answer to the WebSocket upgrade is invalid")]
    [InlineData("", "it closed the connection without an HTTP answer")]
    public async Task WebSocket_Refused_IsNamed(string answer, string expected)
    {
        _ = ServeAsync(async stream =>
        {
            _ = await stream.ReadAtLeastAsync(new byte[4096], 1, throwOnEndOfStream: false);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
        });
        using var socket = new ClientWebSocket();
        var e = await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(new Uri($"ws://{EndPoint}/mqtt"), CancellationToken.None));
        Assert.Equal(expected, FailureText.Describe(e));
    }

    [Fact]
    public void Files_AreToldInTheSystemsWords()
    {
        string folder = Path.GetDirectoryName(_folder["x"])!;
        Assert.Equal("it does not exist", Of(() => File.ReadAllText(_folder["none"]), _folder["none"]));
        Assert.Equal("it is a directory", Of(() => File.ReadAllText(folder), folder));
        Assert.Equal($"{folder}: permission denied", Of(() => File.ReadAllText(folder), ""));
        Assert.Equal("its name is too long", Of(() => File.WriteAllText(_folder[new string('x', 300)], ""), ""));
        string file = _folder.Write("file", "");
        using var held = File.Open(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Equal("another program is using it", Of(() => File.Open(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose(), file));
    }

    [Fact]
    public void PemFiles_AreToldByWhatTheyLack()
    {
        TestCertificate one = _authority.Server(["a"]), two = _authority.Server(["b"]);
        string certificate = File.ReadAllText(one.CertificatePath), key = File.ReadAllText(one.KeyPath), other = File.ReadAllText(two.KeyPath);
        Assert.Equal("holds no readable PEM certificate", Pem(() => X509Certificate2.CreateFromPem("nothing", key)));
        Assert.Equal("holds no readable PEM private key for the certificate", Pem(() => X509Certificate2.CreateFromPem(certificate, "nothing")));
        Assert.Equal("holds no readable PEM private key for the certificate", Pem(() => X509Certificate2.CreateFromPem(certificate, other)));
    }

    /// <summary>Our own sentences stay as they are.</summary>
    [Fact]
    public void OwnText_IsKept() =>
        Assert.Equal("connect: no way to this host", FailureText.Describe(new IOException("connect: no way to this host", new SocketException((int)SocketError.HostUnreachable))));

    public void Dispose()
    {
        _peer.Dispose();
        _authority.Dispose();
        _folder.Dispose();
    }

    private static string Of(Action use, string file)
    {
        Exception e = Assert.ThrowsAny<SystemException>(use);
        return FileFailure.Describe(e, file);
    }

    private static string Pem(Func<X509Certificate2> use)
    {
        Exception e = Assert.ThrowsAny<SystemException>(() => use().Dispose());
        return PemFailure.Describe(e);
    }

    private async Task<string?> HandshakeAsync(string name = "localhost", bool trusted = true)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(EndPoint);
        await using var tls = new SslStream(client.GetStream());
        var options = new SslClientAuthenticationOptions { TargetHost = name };
        if (trusted)
        {
            options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            options.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(_authority.CaPath);
        }
        var e = await Record.ExceptionAsync(() => tls.AuthenticateAsClientAsync(options));
        return e is null ? null : FailureText.Describe(e);
    }

    /// <summary>Until the listener is closed: an HTTP client may try twice.</summary>
    private async Task ServeAsync(Func<NetworkStream, Task> serve)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await _peer.AcceptSocketAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            await ServeAsync(client, serve);
        }
    }

    private static async Task ServeAsync(Socket accepted, Func<NetworkStream, Task> serve)
    {
        using var client = accepted;
        await using var stream = new NetworkStream(client);
        try
        {
            await serve(stream);
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException or CryptographicException)
        {
            // The client has gone.
        }
        if (client.Connected) client.Shutdown(SocketShutdown.Send);
    }
}
