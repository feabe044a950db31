using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Protocol.WebSocket;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Configuration.Import;

/// <summary>A broker for whatever a converted configuration does to its backends: it looks at the bytes for PROXY headers, TLS and WebSocket,
/// and accepts each CONNECT behind them.</summary>
internal sealed class AnyBroker : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly X509Certificate2 _certificate;
    private readonly Task _accepting;

    public AnyBroker(X509Certificate2 certificate)
    {
        _certificate = certificate;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var running = new List<Task>();
        try
        {
            while (true)
                running.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(running);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await using var stream = await OpenAsync(new NetworkStream(socket, ownsSocket: true));
            byte[] first = await ReadAsync(stream, 1);
            if (first[0] != (byte)'G')
            {
                await AnswerAsync(stream, first[0], webSocket: false);
                return;
            }

            byte[] request = [first[0], .. await StreamBroker.ReadHeadAsync(stream, _stop.Token)];
            var name = "Sec-WebSocket-Key: "u8;
            byte[] response = new byte[UpgradeResponse.MaxLength];
            int length = UpgradeResponse.Write(
                response, request.AsSpan(request.AsSpan().IndexOf(name) + name.Length, AcceptKey.KeyLength), MqttSubprotocol.Mqtt);
            await stream.WriteAsync(response.AsMemory(0, length), _stop.Token);
            await ReadAsync(stream, 2 + 4); // a short masked frame
            await AnswerAsync(stream, 0x10, webSocket: true);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            // Probes and clients go as they like.
        }
    }

    /// <summary>Past the PROXY header and the handshake, where there are any.</summary>
    private async Task<Stream> OpenAsync(NetworkStream stream)
    {
        byte[] peeked = new byte[1];
        await stream.Socket.ReceiveAsync(peeked, SocketFlags.Peek, _stop.Token);
        if (peeked[0] == (byte)'P')
        {
            while ((await ReadAsync(stream, 1))[0] != (byte)'\n') { }
        }
        else if (peeked[0] == (byte)'\r')
        {
            byte[] header = await ReadAsync(stream, 16);
            await ReadAsync(stream, (header[14] << 8) | header[15]);
        }

        await stream.Socket.ReceiveAsync(peeked, SocketFlags.Peek, _stop.Token);
        if (peeked[0] != 0x16)
            return stream;
        var secure = new SslStream(stream);
        await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
        return secure;
    }

    private async Task AnswerAsync(Stream stream, byte type, bool webSocket)
    {
        if (type != 0x10)
            return;
        byte[] connack = FakeBroker.ConnackBytes(0);
        await stream.WriteAsync(webSocket ? [0x82, (byte)connack.Length, .. connack] : connack, _stop.Token);
        while (await stream.ReadAsync(new byte[1024], _stop.Token) > 0) { }
    }

    private async Task<byte[]> ReadAsync(Stream stream, int count)
    {
        byte[] bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, _stop.Token);
        return bytes;
    }
}
