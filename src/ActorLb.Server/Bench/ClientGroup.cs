using System.Collections.Concurrent;
using MQTTnet;
using MQTTnet.Packets;

namespace ActorLb.Server.Bench;

/// <summary>The clients of a bench: opened at a pace, kept alive, closed together; failures are counted by reason.</summary>
internal sealed class ClientGroup(BenchTarget target, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Maximum number of clients between first SYN and CONNACK: with more, the bench would measure its own queue.</summary>
    private const int MaxOpening = 256;

    private readonly MqttClientOptions _channel = BenchChannel.To(target);
    private readonly ConcurrentDictionary<int, BenchClient> _clients = new();
    private readonly ConcurrentBag<Task> _sessions = [];
    private readonly CancellationTokenSource _stop = new();
    private volatile bool _closing;
    private int _opened;
    private int _settled;
    private Task? _pinging;

    /// <summary>Time from the start of a client's connect to its CONNACK.</summary>
    public LatencyHistogram ConnectTime { get; } = new();

    public BenchTally Failures { get; } = new();

    /// <summary>Connections that ended before this side ended them.</summary>
    public BenchTally Lost { get; } = new();

    /// <summary>Clients that got an accepting CONNACK.</summary>
    public int Opened => Volatile.Read(ref _opened);

    /// <summary>Clients that connected or failed.</summary>
    public int Settled => Volatile.Read(ref _settled);

    /// <summary>Duration of the opening.</summary>
    public TimeSpan OpeningTime { get; private set; }

    public IEnumerable<BenchClient> Clients => _clients.Values;

    /// <summary>Completes when every client that was connected is lost or closed.</summary>
    public Task Ended => Task.WhenAll(_sessions);

    /// <param name="interval">Time between two connects; zero starts as many at once as allowed.</param>
    /// <param name="receive">Runs for every connected client until its connection ends, and reads everything that the broker sends.</param>
    /// <returns>When all have connected or failed, or the opening was cancelled.</returns>
    public async Task OpenAsync(int count, TimeSpan interval, Func<BenchClient, Task> receive, CancellationToken cancel)
    {
        _pinging = target.KeepAlive == 0 ? Task.CompletedTask : PingAsync();
        long start = time.GetTimestamp();
        using var places = new SemaphoreSlim(MaxOpening, MaxOpening);
        var opening = new List<Task>(count);
        try
        {
            for (int number = 1; number <= count; number++)
            {
                await time.DelayUntil(start, interval * (number - 1), cancel);
                await places.WaitAsync(cancel);
                opening.Add(OpenOneAsync(number, receive, places, cancel));
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Clients that are connected stay and are reported.
        }
        await Task.WhenAll(opening);
        OpeningTime = time.GetElapsedTime(start);
    }

    /// <summary>DISCONNECTs all clients and ends their receivers.</summary>
    public async Task CloseAsync()
    {
        if (_closing) return;
        _closing = true;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5), time);
        await Task.WhenAll(_clients.Values.Select(client => client.DisconnectAsync(limit.Token)));
        await _stop.CancelAsync();
        await Task.WhenAll(_sessions);
        if (_pinging is not null) await _pinging;
        _clients.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _stop.Dispose();
    }

    private async Task OpenOneAsync(int number, Func<BenchClient, Task> receive, SemaphoreSlim places, CancellationToken cancel)
    {
        long start = time.GetTimestamp();
        try
        {
            var client = await BenchClient.ConnectAsync(target, _channel, number, time, cancel);
            ConnectTime.Record(time.GetElapsedTime(start));
            _clients[number] = client;
            Interlocked.Increment(ref _opened);
            Interlocked.Increment(ref _settled);
            _sessions.Add(HoldAsync(client, receive));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // It neither connected nor failed.
        }
        catch (BenchFailure failure)
        {
            Failures.Add(failure.Message);
            Interlocked.Increment(ref _settled);
        }
        finally
        {
            places.Release();
        }
    }

    private async Task HoldAsync(BenchClient client, Func<BenchClient, Task> receive)
    {
        try
        {
            await receive(client);
        }
        catch (Exception exception) when (_closing && exception is BenchFailure or OperationCanceledException)
        {
            // Closed by this side.
        }
        catch (BenchFailure failure)
        {
            Lost.Add(failure.Message);
            _clients.TryRemove(client.Number, out _);
            client.Dispose();
        }
    }

    /// <summary>One PINGREQ per client each half Keep Alive (3.1.1, 3.1.2.10 requires one packet within it).</summary>
    private async Task PingAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(target.KeepAlive) / 2, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
                await Task.WhenAll(_clients.Values.Select(client => PingOneAsync(client)));
        }
        catch (OperationCanceledException)
        {
            // The group is closing.
        }
    }

    private async Task PingOneAsync(BenchClient client)
    {
        try
        {
            await client.SendAsync(MqttPingReqPacket.Instance, _stop.Token);
        }
        catch (BenchFailure)
        {
            // The receiver notices the end as well, and counts it.
        }
    }
}
