using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;

namespace ActorLb.Server.Bench;

/// <summary>Opens the byte streams that MQTT runs on: TCP, TLS, WebSocket and WebSocket over TLS.</summary>
internal sealed class BenchTransport(BenchTarget target) : IDisposable
{
    private readonly HttpMessageInvoker? _upgrades = target.WebSocketPath is null ? null : NewInvoker(target);

    public Task<Stream> OpenAsync(CancellationToken cancellation) =>
        _upgrades is null ? OpenBytesAsync(target, cancellation) : OpenWebSocketAsync(_upgrades, cancellation);

    public void Dispose() => _upgrades?.Dispose();

    private async Task<Stream> OpenWebSocketAsync(HttpMessageInvoker upgrades, CancellationToken cancellation)
    {
        var socket = new ClientWebSocket();
        try
        {
            // The subprotocol is required (MQTT 5, 6.0, MQTT-6.0.0-3). A keep-alive of WebSocket's own would cost what MQTT's does.
            socket.Options.AddSubProtocol("mqtt");
            socket.Options.KeepAliveInterval = TimeSpan.Zero;
            // The name in Host is the one that TLS asks for; the connection itself goes to the target, whatever the name.
            string host = target.Tls?.ServerName ?? target.Host;
            var address = new UriBuilder("ws", host, target.Port, target.WebSocketPath).Uri;
            await socket.ConnectAsync(address, upgrades, cancellation);
            if (socket.SubProtocol != "mqtt") throw new BenchFailure("WebSocket: the server did not choose the subprotocol mqtt");
            return WebSocketStream.Create(socket, WebSocketMessageType.Binary, ownsWebSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static HttpMessageInvoker NewInvoker(BenchTarget target) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = (_, cancellation) => new ValueTask<Stream>(OpenBytesAsync(target, cancellation)),
    });

    private static async Task<Stream> OpenBytesAsync(BenchTarget target, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        try
        {
            await socket.ConnectAsync(target.Host, target.Port, cancellation);
            stream = new NetworkStream(socket, ownsSocket: true);
            if (target.Tls is { } tls)
            {
                var secured = new SslStream(stream);
                stream = secured;
                await secured.AuthenticateAsClientAsync(TlsOptions(tls, target.Host), cancellation);
            }
            return stream;
        }
        catch
        {
            if (stream is null) socket.Dispose();
            else await stream.DisposeAsync();
            throw;
        }
    }

    private static SslClientAuthenticationOptions TlsOptions(BenchTls tls, string host)
    {
        var options = new SslClientAuthenticationOptions { TargetHost = tls.ServerName ?? host, AllowTlsResume = false };
        if (tls.Certificate is { } certificate) options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null);
        if (tls.Insecure) options.RemoteCertificateValidationCallback = static (_, _, _, _) => true; // asked for by --insecure
        if (tls.Authorities is { } authorities)
        {
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }
        return options;
    }
}
