using System.Text;
using ActorLb.Protocol.Mqtt;
using MQTTnet;
using MQTTnet.Diagnostics.Logger;
using MQTTnet.Implementations;
using MQTTnet.LowLevelClient;
using MQTTnet.Packets;

namespace ActorLb.Server.Bench;

/// <summary>
/// One MQTT client: connects, then sends from any thread and receives on one. It uses MQTTnet's low-level client: the high-level one
/// checks four times a second in each client whether a ping is due, a tenth of a core for ten thousand idle clients. All
/// failures are <see cref="BenchFailure"/>.
/// </summary>
internal sealed class BenchClient : IDisposable
{
    private readonly LowLevelMqttClient _connection = new(new MqttClientAdapterFactory(), MqttNetNullLogger.Instance);

    private BenchClient(int number) => Number = number;

    public int Number { get; }

    /// <summary>Opens the connection, sends CONNECT and waits for an accepting CONNACK.</summary>
    /// <param name="channel">Created for the target.</param>
    public static async Task<BenchClient> ConnectAsync(
        BenchTarget target, MqttClientOptions channel, int number, TimeProvider time, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(target.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancel);
        var client = new BenchClient(number);
        try
        {
            await BenchFailure.TranslateAsync(client._connection.ConnectAsync(channel, either.Token));
            await client.SendAsync(ConnectOf(target, number), either.Token);
            await client.ReceiveConnackAsync(target.Version, either.Token);
            return client;
        }
        catch
        {
            client.Dispose();
            cancel.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested) throw new BenchFailure("no CONNACK in time");
            throw;
        }
    }

    public Task SendAsync(MqttPacket packet, CancellationToken cancel) => BenchFailure.TranslateAsync(_connection.SendAsync(packet, cancel));

    /// <returns>The next packet other than DISCONNECT.</returns>
    public async Task<MqttPacket> ReceiveAsync(CancellationToken cancel)
    {
        var packet = await BenchFailure.TranslateAsync(_connection.ReceiveAsync(cancel));
        return packet is MqttDisconnectPacket disconnect
            ? throw new BenchFailure($"DISCONNECT 0x{(int)disconnect.ReasonCode:X2} from the broker")
            : packet;
    }

    /// <summary>Disconnects cleanly as far as the connection still allows it.</summary>
    public async Task DisconnectAsync(CancellationToken cancel)
    {
        try
        {
            await SendAsync(new MqttDisconnectPacket(), cancel);
        }
        catch (Exception exception) when (exception is BenchFailure or OperationCanceledException)
        {
            // It is being closed anyway.
        }
        Dispose();
    }

    public void Dispose() => _connection.Dispose();

    private async Task ReceiveConnackAsync(MqttVersion version, CancellationToken cancel)
    {
        MqttPacket answer;
        try
        {
            answer = await ReceiveAsync(cancel);
        }
        catch (BenchFailure failure) when (failure.Message is BenchFailure.Closed)
        {
            throw new BenchFailure("closed before CONNACK");
        }
        catch (BenchFailure failure) when (failure.Message is BenchFailure.Malformed)
        {
            throw new BenchFailure("malformed answer to CONNECT");
        }
        if (answer is not MqttConnAckPacket connack) throw new BenchFailure("the answer to CONNECT is not a CONNACK");
        int code = version == MqttVersion.V5 ? (int)connack.ReasonCode : (int)connack.ReturnCode;
        if (code != 0) throw new BenchFailure(BenchFailure.Refusal(version, (byte)code));
    }

    private static MqttConnectPacket ConnectOf(BenchTarget target, int number) => new()
    {
        ClientId = target.ClientIdPrefix + number,
        CleanSession = true,
        KeepAlivePeriod = target.KeepAlive,
        Username = target.UserName,
        Password = target.Password is { } password ? Encoding.UTF8.GetBytes(password) : null,
    };
}
