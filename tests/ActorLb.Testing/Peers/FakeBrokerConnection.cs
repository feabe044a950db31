using System.Net;
using System.Net.Sockets;

namespace ActorLb.Testing.Peers;

/// <summary>One connection of a <see cref="FakeBroker"/>, as its script and the test see it.</summary>
internal sealed class FakeBrokerConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guards the two fields below: the script writes, the test reads and waits.
    private readonly Lock _gate = new();
    private readonly MemoryStream _received = new();
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Only the script reads packets.
    private int _consumed;

    public FakeBrokerConnection(Socket socket)
    {
        _socket = socket;
        Remote = (IPEndPoint)socket.RemoteEndPoint!;
    }

    public IPEndPoint Remote { get; }

    /// <summary>For what a script cannot do with <see cref="SendAsync"/>, such as sending on a thread of its own.</summary>
    public Socket Socket => _socket;

    /// <summary>Completes when the connection is over.</summary>
    public Task Ended => _ended.Task;

    /// <summary>All that came so far, if a script read it.</summary>
    public byte[] Received
    {
        get
        {
            lock (_gate)
                return _received.ToArray();
        }
    }

    private long ReceivedLength
    {
        get
        {
            lock (_gate)
                return _received.Length;
        }
    }

    /// <summary>Waits until at least this many bytes came and returns all of them.</summary>
    public async Task<byte[]> WaitForReceivedAsync(int count, TimeSpan? timeout = null)
    {
        using var deadline = new CancellationTokenSource(timeout ?? Wait.Patience);
        while (true)
        {
            Task more;
            lock (_gate)
            {
                if (_received.Length >= count)
                    return _received.ToArray();
                more = _more.Task;
            }

            try
            {
                await more.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException e)
            {
                throw new TimeoutException($"{Received.Length} of {count} bytes came: {Convert.ToHexString(Received)}", e);
            }
        }
    }

    /// <summary>The next bytes; empty at the end of the stream. They are valid until the next read.</summary>
    public async Task<ReadOnlyMemory<byte>> ReadSomeAsync(CancellationToken stop)
    {
        int read = await _socket.ReceiveAsync(_buffer, stop);
        TaskCompletionSource waiters;
        lock (_gate)
        {
            _received.Write(_buffer, 0, read);
            waiters = _more;
            _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        waiters.TrySetResult();
        return _buffer.AsMemory(0, read);
    }

    /// <summary>Reads until this many bytes have come in all, or the stream ends; all of them.</summary>
    public async Task<byte[]> WaitForAllAsync(int count, CancellationToken stop)
    {
        for (long length = ReceivedLength; length < count; length = ReceivedLength)
        {
            if ((await ReadSomeAsync(stop)).IsEmpty)
                break;
        }

        return Received;
    }

    public async Task ReadToEndAsync(CancellationToken stop)
    {
        while (!(await ReadSomeAsync(stop)).IsEmpty)
        {
            // Kept in Received.
        }
    }

    /// <summary>
    /// The next whole packet by its remaining length (MQTT 3.1.1 section 2.2.3). Bytes after it in the same read are kept
    /// for the next call, not for <see cref="ReadSomeAsync"/>.
    /// </summary>
    public async Task<byte[]> ReadPacketAsync(CancellationToken stop)
    {
        while (true)
        {
            var rest = Received.AsMemory(_consumed);
            if (TryPacketLength(rest.Span, out int length))
            {
                _consumed += length;
                return rest[..length].ToArray();
            }

            if ((await ReadSomeAsync(stop)).IsEmpty)
                throw new EndOfStreamException("The peer ended inside of a packet.");
        }
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes, stop)..];
    }

    public void HalfClose() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Closes with RST.</summary>
    public void Abort()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose()
    {
        _socket.Dispose();
        _ended.TrySetResult();
    }

    private static bool TryPacketLength(ReadOnlySpan<byte> bytes, out int length)
    {
        length = 0;
        int remaining = 0;
        for (int i = 1; i < bytes.Length && i <= 4; i++)
        {
            remaining |= (bytes[i] & 0x7F) << (7 * (i - 1));
            if ((bytes[i] & 0x80) != 0)
                continue;
            length = i + 1 + remaining;
            return bytes.Length >= length;
        }

        return false;
    }
}
