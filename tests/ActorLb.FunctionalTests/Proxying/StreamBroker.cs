using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>Takes one connection after another over any transport, and answers the upgrade where it speaks WebSocket.</summary>
internal sealed class StreamBroker(bool tls, bool webSocket, X509Certificate2 certificate) : IDisposable
{
    private readonly TcpListener _listener = Listening();

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    public async Task<Stream> AcceptAsync(CancellationToken stop)
    {
        var socket = await _listener.AcceptSocketAsync(stop);
        socket.NoDelay = true;
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (tls)
        {
            var secure = new SslStream(stream);
            await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, stop);
            stream = secure;
        }

        if (!webSocket)
            return stream;
        byte[] request = await ReadHeadAsync(stream, stop);
        var name = "Sec-WebSocket-Key: "u8;
        byte[] response = new byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(
            response, request.AsSpan(request.AsSpan().IndexOf(name) + name.Length, AcceptKey.KeyLength), MqttSubprotocol.Mqtt);
        await stream.WriteAsync(response.AsMemory(0, length), stop);
        return stream;
    }

    /// <summary>Up to the empty line, and no byte beyond it.</summary>
    public static async Task<byte[]> ReadHeadAsync(Stream stream, CancellationToken stop)
    {
        var head = new List<byte>();
        byte[] one = new byte[1];
        while (!head.ToArray().AsSpan().EndsWith("\r\n\r\n"u8))
        {
            await stream.ReadExactlyAsync(one, stop);
            head.Add(one[0]);
        }

        return [.. head];
    }

    public void Dispose() => _listener.Dispose();

    private static TcpListener Listening()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }
}
