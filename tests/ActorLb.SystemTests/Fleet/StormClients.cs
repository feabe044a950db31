using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Devices that come back as soon as they are cut off, and after a short pause when they are refused.</summary>
internal sealed class StormClients(int count, StormBroker[] brokers) : IDisposable
{
    private readonly Socket[] _sockets = new Socket[count];

    // What one process can begin at once without taking the cores from the nodes: still several thousand a second.
    private readonly SemaphoreSlim _connecting = new(16);
    private int _refused;

    public int Refused => _refused;

    public async Task ConnectAsync(FleetNodeProcess node)
    {
        await Parallel.ForEachAsync(
            Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (i, _) => await ComeAsync(i, [node]));
        Assert.Equal(0, _refused);
        Assert.Equal(count, brokers.Sum(b => b.Seen));
    }

    /// <summary>Each waits for the end of its connection, then comes back by one of the nodes.</summary>
    public Task ReturnAsync(FleetNodeProcess[] nodes) => Task.WhenAll(Enumerable.Range(0, count).Select(async i =>
    {
        try
        {
            while (await _sockets[i].ReceiveAsync(new byte[1]) > 0)
            {
                // Nothing is sent to them.
            }
        }
        catch (SocketException)
        {
            // The process is gone.
        }

        _sockets[i].Dispose();
        await ComeAsync(i, nodes);
    }));

    private async Task ComeAsync(int client, FleetNodeProcess[] nodes)
    {
        for (int turn = client; ; turn++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await _connecting.WaitAsync();
            try
            {
                await socket.ConnectAsync(nodes[turn % nodes.Length].Front);
                await socket.SendAsync(ConnectBytes.V5($"device-{client}"));
            }
            finally
            {
                _connecting.Release();
            }

            byte[] answer = new byte[MarkedBroker.ConnackLength];
            int length = 0;
            for (int read = 1; read > 0 && length < 5; length += read)
                read = await socket.ReceiveAsync(answer.AsMemory(length));
            if (length >= 5 && answer[3] == 0)
            {
                _sockets[client] = socket;
                return;
            }

            Assert.Equal(0x9F, answer[3]);
            socket.Dispose();
            Interlocked.Increment(ref _refused);
            // As clients that were told to come again do.
            await Task.Delay(Random.Shared.Next(100, 400));
        }
    }

    public void Dispose()
    {
        foreach (var socket in _sockets)
            socket?.Dispose();
        _connecting.Dispose();
    }
}
