using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace ActorLb.Testing.Peers;

/// <summary>What a <see cref="FakeBroker"/> does with a connection; it is closed when the script ends.</summary>
internal delegate Task FakeBrokerScript(FakeBrokerConnection connection, CancellationToken stop);

/// <summary>A listener in the test process that misbehaves as told and keeps every byte it received.</summary>
internal sealed class FakeBroker : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<FakeBrokerConnection, Task> _running = new();
    private readonly Channel<FakeBrokerConnection> _arrivals = Channel.CreateUnbounded<FakeBrokerConnection>();
    private readonly Task _accepting;
    private int _accepted;
    private bool _disposed;

    private FakeBroker(FakeBrokerScript script, IPEndPoint endPoint)
    {
        Script = script;
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(endPoint);
        _listener.Listen(1024);
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
        _accepting = AcceptAsync();
    }

    public IPEndPoint EndPoint { get; }

    /// <summary>Script of the connections to come; may be changed while the broker runs.</summary>
    public FakeBrokerScript Script { get; set; }

    /// <summary>Connections accepted so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Connections open now.</summary>
    public int Open => _running.Count;

    public static FakeBroker Start(FakeBrokerScript script, IPEndPoint? endPoint = null) =>
        new(script, endPoint ?? new IPEndPoint(IPAddress.Loopback, 0));

    /// <summary>Accepts, then closes at once.</summary>
    public static FakeBrokerScript CloseAtOnce { get; } = (_, _) => Task.CompletedTask;

    /// <summary>Accepts, then resets at once; the peer may see it as a failed connect.</summary>
    public static FakeBrokerScript ResetAtOnce { get; } = (connection, _) =>
    {
        connection.Abort();
        return Task.CompletedTask;
    };

    /// <summary>Resets when the first bytes have come, which is after the peer saw its connect succeed.</summary>
    public static FakeBrokerScript ResetOnData { get; } = async (connection, stop) =>
    {
        await connection.ReadSomeAsync(stop);
        connection.Abort();
    };

    /// <summary>Accepts, reads what comes and never answers.</summary>
    public static FakeBrokerScript Silent { get; } = (connection, stop) => connection.ReadToEndAsync(stop);

    /// <summary>Sends every byte back.</summary>
    public static FakeBrokerScript Echo { get; } = async (connection, stop) =>
    {
        while (await connection.ReadSomeAsync(stop) is { IsEmpty: false } bytes)
            await connection.SendAsync(bytes, stop);
    };

    /// <summary>Answers the first packet with a CONNACK, then echoes (code 0) or closes (any other).</summary>
    /// <param name="version">Protocol level of the CONNACK: MQTT 5 has a property length.</param>
    public static FakeBrokerScript Connack(byte code, int version = 4) => async (connection, stop) =>
    {
        await connection.ReadPacketAsync(stop);
        await connection.SendAsync(ConnackBytes(code, version), stop);
        if (code == 0)
            await Echo(connection, stop);
    };

    /// <summary>Accepts whoever comes, by a CONNACK of the client's version, then echoes.</summary>
    public static FakeBrokerScript Accepting { get; } = Answering(0);

    /// <summary>As <see cref="Connack"/>, in the version of the CONNECT that came.</summary>
    public static FakeBrokerScript Answering(byte code) => async (connection, stop) =>
    {
        byte[] connect = await connection.ReadPacketAsync(stop);
        await connection.SendAsync(ConnackBytes(code, ConnectBytes.LevelOf(connect)), stop);
        if (code == 0)
            await Echo(connection, stop);
    };

    /// <summary>MQTT 3.1.1 section 3.2, MQTT 5 section 3.2.</summary>
    public static byte[] ConnackBytes(byte code, int version = 4) =>
        version >= 5 ? [0x20, 3, 0, code, 0] : [0x20, 2, 0, code];

    /// <summary>The next connection in the order of arrival.</summary>
    public async Task<FakeBrokerConnection> NextConnectionAsync(TimeSpan? timeout = null) =>
        await _arrivals.Reader.ReadAsync().AsTask().WaitAsync(timeout ?? Wait.Patience);

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_running.Values);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            socket.NoDelay = true;
            var connection = new FakeBrokerConnection(socket);
            Interlocked.Increment(ref _accepted);
            var started = new TaskCompletionSource();
            _running[connection] = RunAsync(connection, started.Task);
            _arrivals.Writer.TryWrite(connection);
            started.SetResult();
        }
    }

    private async Task RunAsync(FakeBrokerConnection connection, Task started)
    {
        await started;
        try
        {
            await Script(connection, _stop.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or EndOfStreamException)
        {
            // The peer or the test ended it.
        }
        finally
        {
            connection.Dispose();
            _running.TryRemove(connection, out _);
        }
    }
}
