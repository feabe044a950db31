using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace ActorLb.Testing.Peers;

/// <summary>A client of TLS that decides over every byte inside of it.</summary>
internal sealed class SecureClient : IAsyncDisposable
{
    private SecureClient(Socket socket, SslStream stream)
    {
        Socket = socket;
        Stream = stream;
    }

    public Socket Socket { get; }

    public SslStream Stream { get; }

    /// <param name="before">Bytes sent in clear before the handshake, such as a PROXY header.</param>
    /// <exception cref="AuthenticationException">The handshake failed; an <see cref="IOException"/> when the server just closed.</exception>
    public static async Task<SecureClient> ConnectAsync(
        IPEndPoint server, X509Certificate2? own = null, SslProtocols protocols = SslProtocols.None, string name = "localhost",
        byte[]? before = null, string[]? applicationProtocols = null)
    {
        var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SslStream? stream = null;
        using var deadline = new CancellationTokenSource(Wait.Patience);
        try
        {
            await socket.ConnectAsync(server, deadline.Token);
            if (before is not null)
                await socket.SendAsync(before, deadline.Token);
            stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = name,
                EnabledSslProtocols = protocols,
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
                ClientCertificates = own is null ? null : [own],
                LocalCertificateSelectionCallback = own is null ? null : (_, _, _, _, _) => own,
                ApplicationProtocols = applicationProtocols?.Select(p => new SslApplicationProtocol(p)).ToList(),
                AllowTlsResume = false,
            };
            await stream.AuthenticateAsClientAsync(options, deadline.Token);
            return new SecureClient(socket, stream);
        }
        catch
        {
            if (stream is not null)
                await stream.DisposeAsync();
            socket.Dispose();
            throw;
        }
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        await Stream.WriteAsync(bytes);
        await Stream.FlushAsync();
    }

    /// <summary>Reads exactly this many bytes, fewer only when the server ends before.</summary>
    public async Task<byte[]> ReadAsync(int count)
    {
        using var deadline = new CancellationTokenSource(Wait.Patience);
        byte[] bytes = new byte[count];
        int read = await Stream.ReadAtLeastAsync(bytes, count, throwOnEndOfStream: false, deadline.Token);
        return bytes[..read];
    }

    /// <summary>Closes with RST, without close_notify.</summary>
    public void Abort()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Dispose();
    }

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
