using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace ActorLb.FunctionalTests.Tls;

internal static class HelloBytes
{
    /// <summary>The first flight of a real client.</summary>
    public static async Task<byte[]> TakeAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptSocketAsync();
        await using var stream = new SslStream(client.GetStream());
        var handshake = stream.AuthenticateAsClientAsync("localhost");
        byte[] buffer = new byte[4096];
        int length = 0;
        do
        {
            length += await server.ReceiveAsync(buffer.AsMemory(length));
        }
        while (length < 5 || length < 5 + (buffer[3] << 8) + buffer[4]);
        server.Close();
        await Assert.ThrowsAnyAsync<IOException>(() => handshake);
        return buffer[..length];
    }
}
