using System.Net;
using System.Net.Sockets;
using ActorLb.Server.Bench;
using MQTTnet;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;

namespace ActorLb.Server.Demo;

/// <summary>The demo's clients. Like devices, they reconnect by themselves when they lose their connection.</summary>
internal sealed class DemoClients : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Longer than a balancer retries: pools.*.retry.timeout.</summary>
    private static readonly TimeSpan ConnackPatience = TimeSpan.FromSeconds(30);

    private readonly IPEndPoint _balancer;
    private readonly IMqttClient[] _clients;
    private readonly CancellationTokenSource _stop = new();
    private volatile bool _stays = true;

    public DemoClients(IPEndPoint balancer, int count)
    {
        _balancer = balancer;
        var factory = new MqttClientFactory();
        _clients = [.. Enumerable.Range(0, count).Select(_ => factory.CreateMqttClient())];
        for (int i = 0; i < count; i++)
        {
            int number = i + 1;
            _clients[i].DisconnectedAsync += _ => ComeBackAsync(number);
        }
    }

    public int Count => _clients.Length;

    public int Connected => _clients.Count(client => client.IsConnected);

    /// <summary>Connects all of them, one after another.</summary>
    /// <param name="backwards">The last one first.</param>
    /// <exception cref="DemoFailure">A client is refused.</exception>
    public async Task ConnectAsync(bool backwards, CancellationToken cancel)
    {
        for (int i = 1; i <= Count; i++)
        {
            int number = backwards ? Count + 1 - i : i;
            try
            {
                var answer = await ConnectOneAsync(number, cancel);
                if (answer.ResultCode != MqttClientConnectResultCode.Success)
                    throw new DemoFailure($"client {IdOf(number)} was refused with CONNACK 0x{(int)answer.ResultCode:X2}");
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                throw new DemoFailure($"client {IdOf(number)} got no CONNACK in time");
            }
            catch (MqttCommunicationException exception)
            {
                throw new DemoFailure($"client {IdOf(number)} did not get through the balancer at {_balancer}: {BenchFailure.ReasonOf(exception)}");
            }
        }
        _stays = true;
    }

    /// <summary>Disconnects all of them, with a DISCONNECT, until they are connected again.</summary>
    public async Task DisconnectAsync()
    {
        _stays = false;
        await Task.WhenAll(_clients.Where(client => client.IsConnected).Select(LeaveAsync));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await DisconnectAsync();
        foreach (var client in _clients) client.Dispose();
        _stop.Dispose();
    }

    private static string IdOf(int number) => $"demo-{number}";

    private async Task<MqttClientConnectResult> ConnectOneAsync(int number, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(ConnackPatience);
        return await _clients[number - 1].ConnectAsync(new MqttClientOptions
        {
            ClientId = IdOf(number),
            ProtocolVersion = MqttProtocolVersion.V500,
            KeepAlivePeriod = TimeSpan.FromSeconds(60),
            ChannelOptions = new MqttClientTcpOptions
            {
                RemoteEndpoint = _balancer,
                // By default closing resets the connection, which may discard the DISCONNECT.
                LingerState = new LingerOption(enable: false, seconds: 0),
            },
        }, limit.Token);
    }

    private async Task ComeBackAsync(int number)
    {
        while (_stays && !_stop.IsCancellationRequested && !_clients[number - 1].IsConnected)
        {
            try
            {
                await Task.Delay(RetryDelay, _stop.Token);
                if ((await ConnectOneAsync(number, _stop.Token)).ResultCode == MqttClientConnectResultCode.Success) return;
            }
            catch (Exception exception) when (IsEnd(exception))
            {
                // Left to the next try, or to the end of the demo.
            }
        }
    }

    private static async Task LeaveAsync(IMqttClient client)
    {
        try
        {
            await client.DisconnectAsync();
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            // Its connection has ended in the meantime.
        }
    }

    private static bool IsEnd(Exception exception) =>
        exception is OperationCanceledException or MqttCommunicationException or InvalidOperationException; // ObjectDisposedException is one
}
