using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Clients of MQTT 5 that stay connected, come back at once when they are closed, and count how often they are told to go.</summary>
internal sealed class ReturningClients : IAsyncDisposable
{
    /// <summary>MQTT 5 section 3.14.2.1: Use another server.</summary>
    private const byte UseAnotherServer = 0x9C;

    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _running = [];
    private readonly ConcurrentQueue<(int Client, long At)> _told = new();
    private readonly int[] _broker;
    private volatile FleetNodeProcess[] _nodes;
    private int _turn;

    private ReturningClients(int count, FleetNodeProcess[] nodes)
    {
        _broker = new int[count];
        _nodes = nodes;
        Array.Fill(_broker, -1);
    }

    /// <summary>Where they connect from now on, in turn.</summary>
    public FleetNodeProcess[] Nodes
    {
        set => _nodes = value;
    }

    /// <summary>DISCONNECTs that said "use another server": who, and when.</summary>
    public IReadOnlyCollection<(int Client, long At)> Told => _told;

    /// <summary>Of each broker.</summary>
    public int[] Connected => [.. Enumerable.Range(0, 3).Select(b => _broker.Count(c => Volatile.Read(ref c) == b))];

    public void Forget() => _told.Clear();

    public static async Task<ReturningClients> OpenAsync(int count, FleetNodeProcess[] nodes)
    {
        var clients = new ReturningClients(count, nodes);
        var opened = Enumerable.Range(0, count).Select(_ => new TaskCompletionSource()).ToArray();
        for (int i = 0; i < count; i++)
        {
            clients._running.Add(clients.RunAsync(i, opened[i]));
            // The next one when the one some places before is in: a storm is another test's.
            if (i >= 64) await opened[i - 64].Task.WaitAsync(Wait.Patience);
        }

        await Task.WhenAll(opened.Select(o => o.Task)).WaitAsync(Wait.Patience);
        return clients;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await Task.WhenAll(_running);
        _end.Dispose();
    }

    private async Task RunAsync(int number, TaskCompletionSource opened)
    {
        byte[] connack = new byte[MarkedBroker.ConnackLength];
        while (!_end.IsCancellationRequested)
        {
            var nodes = _nodes;
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(nodes[Interlocked.Increment(ref _turn) % nodes.Length].Front, _end.Token);
                await socket.SendAsync(ConnectBytes.V5($"c-{number:d4}"), _end.Token);
                for (int filled = 0, read; filled < connack.Length; filled += read)
                {
                    read = await socket.ReceiveAsync(connack.AsMemory(filled), _end.Token);
                    if (read == 0) throw new SocketException((int)SocketError.ConnectionReset);
                }

                Volatile.Write(ref _broker[number], connack[^1] - '0');
                opened.TrySetResult();
                byte[] farewell = new byte[16];
                int length = await socket.ReceiveAsync(farewell, _end.Token);
                if (length >= 3 && farewell[0] == 0xE0 && farewell[2] == UseAnotherServer) _told.Enqueue((number, Stopwatch.GetTimestamp()));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // A node was killed, or the test is over.
                // As a client that tries again does.
                await Task.Delay(20);
            }

            Volatile.Write(ref _broker[number], -1);
        }
    }
}
