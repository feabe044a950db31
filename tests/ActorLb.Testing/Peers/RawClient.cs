using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ActorLb.Testing.Peers;

/// <summary>A plain socket for tests that decide over every byte and segment.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket;

    private RawClient(Socket socket)
    {
        _socket = socket;
    }

    public IPEndPoint Local => (IPEndPoint)_socket.LocalEndPoint!;

    public Socket Socket => _socket;

    /// <param name="receiveBuffer">Set before the connection is there: to shrink a window that the peer knows already has its system drop what
    /// was sent within it, acknowledgements included, and the connection may stand still for many seconds.</param>
    public static async Task<RawClient> ConnectAsync(IPEndPoint server, IPAddress? from = null, int? receiveBuffer = null)
    {
        var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (receiveBuffer is { } size)
                socket.ReceiveBufferSize = size;
            if (from is not null)
                socket.Bind(new IPEndPoint(from, 0));
            await socket.ConnectAsync(server);
            return new RawClient(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes)..];
    }

    /// <summary>Sends each piece as a segment of its own: the next one leaves when the kernel of the peer has the last.</summary>
    public async Task SendPiecesAsync(params IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        foreach (var piece in pieces)
        {
            await SendAsync(piece);
            while (Unacknowledged() > 0)
                await Task.Yield();
        }
    }

    /// <summary>Reads exactly this many bytes, fewer only when the peer ends before.</summary>
    public async Task<byte[]> ReadAsync(int count, TimeSpan? timeout = null)
    {
        using var deadline = new CancellationTokenSource(timeout ?? Wait.Patience);
        byte[] bytes = new byte[count];
        int filled = 0;
        try
        {
            while (filled < count)
            {
                int read = await _socket.ReceiveAsync(bytes.AsMemory(filled), deadline.Token);
                if (read == 0)
                    return bytes[..filled];
                filled += read;
            }

            return bytes;
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{filled} of {count} bytes came in time: {Convert.ToHexString(bytes, 0, filled)}", e);
        }
    }

    /// <summary>Reads until the peer ends, by FIN or by reset.</summary>
    public async Task<RawEnding> ReadToEndAsync(TimeSpan? timeout = null)
    {
        using var deadline = new CancellationTokenSource(timeout ?? Wait.Patience);
        using var all = new MemoryStream();
        byte[] buffer = new byte[16 * 1024];
        try
        {
            for (int read; (read = await _socket.ReceiveAsync(buffer, deadline.Token)) > 0;)
                all.Write(buffer, 0, read);
            return new RawEnding(all.ToArray(), Reset: false);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset)
        {
            return new RawEnding(all.ToArray(), Reset: true);
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"The peer did not end in time; it sent {Convert.ToHexString(all.ToArray())}", e);
        }
    }

    /// <summary>Sends FIN and stays able to read.</summary>
    public void HalfClose() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Closes with RST.</summary>
    public void Abort()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();

    private int Unacknowledged()
    {
        // SIOCOUTQ of tcp(7): bytes in the send queue that the peer has not acknowledged.
        const int Siocoutq = 0x5411;
        return ioctl((int)_socket.Handle, Siocoutq, out int queued) == 0 ? queued : 0;
    }

    [DllImport("libc")]
    private static extern int ioctl(int descriptor, nuint request, out int value);
}

internal sealed record RawEnding(byte[] Bytes, bool Reset);
