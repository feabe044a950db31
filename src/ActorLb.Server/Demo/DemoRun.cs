using System.Net.Sockets;

namespace ActorLb.Server.Demo;

/// <summary>
/// Three brokers, a balancer with sticky clients, and the clients, in this process and on loopback. Shows how the clients spread, and that
/// they find their broker again.
/// </summary>
/// <param name="once">Exit afterwards; otherwise keep running and report when the clients have moved.</param>
internal sealed class DemoRun(int clients, bool once, DemoScreen screen, TimeProvider time)
{
    private const int Port = 1883, AdminPort = 8888;

    /// <summary>How long both sides may take to count a connection that was opened or closed.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static readonly int[] BrokerPorts = [1884, 1885, 1886];

    private readonly List<DemoBroker> _brokers = [];

    /// <returns>0 when the clients spread evenly and found their brokers again; otherwise 1.</returns>
    /// <exception cref="DemoFailure">Something did not start, or a client did not connect.</exception>
    public async Task<int> RunAsync(CancellationToken stop)
    {
        try
        {
            await StartBrokersAsync();
            await using var node = await StartNodeAsync(stop);
            await using var mqtt = new DemoClients(node.Clients, clients);
            int result = await ShowAsync(node, mqtt, stop);
            if (!once) await StayAsync(node, stop);
            return result;
        }
        finally
        {
            foreach (var broker in _brokers) await broker.DisposeAsync();
        }
    }

    private async Task StartBrokersAsync()
    {
        screen.Line("Three MQTT brokers");
        foreach (int port in BrokerPorts)
        {
            try
            {
                _brokers.Add(await DemoBroker.StartAsync(DemoPort.OrAny(port)));
            }
            catch (SocketException exception)
            {
                throw new DemoFailure($"a broker cannot listen on 127.0.0.1: {exception.Message}");
            }
            screen.Line($"  mqtt://{_brokers[^1].Address}{DemoPort.Note(port, _brokers[^1].Address.Port)}");
        }
    }

    private async Task<DemoNode> StartNodeAsync(CancellationToken stop)
    {
        DemoNode node;
        try
        {
            node = await DemoNode.StartAsync(_brokers, clients, DemoPort.OrAny(Port), DemoPort.OrAny(AdminPort), stop);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DemoFailure($"the balancer cannot start: {exception.Message}");
        }
        screen.Line("ActorLb in front of them");
        screen.Line($"  clients    mqtt://{node.Clients}{DemoPort.Note(Port, node.Clients.Port)}");
        screen.Line($"  admin      http://{node.Admin}{DemoPort.Note(AdminPort, node.Admin.Port)}");
        screen.Line($"  dashboard  http://{node.Admin}/");
        screen.Line($"  status     http://{node.Admin}/status");
        screen.Line();
        return node;
    }

    /// <summary>Connects the clients, and then once more in another order.</summary>
    private async Task<int> ShowAsync(DemoNode node, DemoClients mqtt, CancellationToken stop)
    {
        await screen.FollowAsync(mqtt, mqtt.ConnectAsync(backwards: false, stop));
        var first = await SettleAsync(node, clients, stop);
        screen.Chart(_brokers, first);
        screen.Line();
        if (!first.Agrees)
        {
            screen.Line($"The brokers have {first}, but the balancer counts {string.Join('/', first.ByBalancer)}.");
            return 1;
        }
        await mqtt.DisconnectAsync();
        await SettleAsync(node, 0, stop);
        await mqtt.ConnectAsync(backwards: true, stop);
        var second = await SettleAsync(node, clients, stop);
        int returned = second.BrokerOf.Count(pair => first.BrokerOf.GetValueOrDefault(pair.Key, -1) == pair.Value);
        screen.Line($"Spread {first}. All disconnected and reconnected in another order: {returned} of {clients} found their broker again.");
        return first.Total == clients && first.IsEven && returned == clients ? 0 : 1;
    }

    /// <returns>The first count on which both sides agree with this many clients, or the last one when time runs out.</returns>
    private async Task<DemoCount> SettleAsync(DemoNode node, int expected, CancellationToken stop)
    {
        long start = time.GetTimestamp();
        for (; ; )
        {
            var count = await DemoCount.TakeAsync(_brokers, node);
            if ((count.Agrees && count.Total == expected) || time.GetElapsedTime(start) > Patience) return count;
            await Task.Delay(TimeSpan.FromMilliseconds(10), time, stop);
        }
    }

    private async Task StayAsync(DemoNode node, CancellationToken stop)
    {
        string pbm = node.Admin.Port == AdminPort ? "pbm" : $"pbm --host {node.Admin}";
        screen.Line();
        screen.Line("Try, in another terminal:");
        screen.Line($"  http://{node.Admin}/ in a browser: the dashboard");
        screen.Line($"  curl http://{node.Admin}/status");
        screen.Line($"  {pbm} pool show brokers");
        screen.Line($"  {pbm} pool drain {_brokers[0].Address} --deadline 5s     its clients move; back with: {pbm} pool up {_brokers[0].Address}");
        screen.Line($"  edit {node.File}, then: {pbm} config reload");
        screen.Line();
        screen.Line("Running until Ctrl-C.");
        var shown = await DemoCount.TakeAsync(_brokers, node);
        try
        {
            for (; ; )
            {
                await Task.Delay(TimeSpan.FromSeconds(1), time, stop);
                var now = await DemoCount.TakeAsync(_brokers, node);
                if (now.ByBroker.SequenceEqual(shown.ByBroker)) continue;
                screen.Line();
                screen.Chart(_brokers, now);
                shown = now;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            screen.Line("Ending.");
        }
    }
}
