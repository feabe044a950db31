using System.Threading.Channels;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace ActorLb.Server.Bench;

/// <summary>One publishing client: a sender that keeps the pace and a receiver for the acknowledgements.</summary>
internal sealed class Publisher
{
    private readonly BenchClient _client;
    private readonly PublishPlan _plan;
    private readonly PublishCounters _counters;
    private readonly TimeProvider _time;
    private readonly long _run;

    /// <summary>Owned by the sender, which waits for each write; so is its payload.</summary>
    private readonly MqttPublishPacket _packet;
    private readonly byte[] _payload;

    /// <summary>Free packet ids; taking one waits for room in the window.</summary>
    private readonly Channel<ushort> _free;

    /// <summary>By packet id; written by the sender before the packet, read by the receiver after its answer.</summary>
    private readonly long[] _sentAt;

    public Publisher(BenchClient client, string? userName, PublishPlan plan, PublishCounters counters, long run, TimeProvider time)
    {
        _client = client;
        _plan = plan;
        _counters = counters;
        _run = run;
        _time = time;
        _payload = new byte[plan.Size];
        _payload.AsSpan().Fill((byte)'.');
        _packet = new MqttPublishPacket
        {
            Topic = TopicTemplate.Expand(plan.Topic, client.Number, userName),
            QualityOfServiceLevel = (MqttQualityOfServiceLevel)plan.Qos,
            PayloadSegment = _payload,
        };
        _sentAt = new long[plan.InFlight + 1];
        _free = Channel.CreateBounded<ushort>(plan.InFlight);
        for (int id = 1; id <= plan.InFlight; id++) _free.Writer.TryWrite((ushort)id);
    }

    /// <summary>Sends until cancelled or until the connection is lost, which the receiver counts.</summary>
    /// <param name="start">Time stamp at which the run began.</param>
    /// <param name="first">Offset of this client's first message after the start.</param>
    /// <param name="interval">Time between two of its messages; zero for no pause.</param>
    public async Task SendAsync(long start, TimeSpan first, TimeSpan interval, CancellationToken cancel)
    {
        try
        {
            for (var due = first; ; due += interval)
            {
                await _time.DelayUntil(start, due, cancel);
                ushort id = _plan.Qos == 0 ? (ushort)0 : await _free.Reader.ReadAsync(cancel);
                long now = _time.GetTimestamp();
                _sentAt[id] = now;
                PayloadStamp.Write(_payload, _run, now);
                _packet.PacketIdentifier = id;
                // Not cancelled midway: half a packet would break the connection.
                await _client.SendAsync(_packet, CancellationToken.None);
                Interlocked.Increment(ref _counters.Sent);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ChannelClosedException or BenchFailure)
        {
            // The run or the connection has ended.
        }
    }

    /// <summary>Takes acknowledgements until the connection ends.</summary>
    public async Task ReceiveAsync()
    {
        try
        {
            for (; ; )
            {
                switch (await _client.ReceiveAsync(CancellationToken.None))
                {
                    case MqttPubAckPacket ack:
                        Acknowledge(ack.PacketIdentifier, (int)ack.ReasonCode);
                        break;
                    case MqttPubRecPacket { ReasonCode: >= MqttPubRecReasonCode.UnspecifiedError } refusal:
                        Acknowledge(refusal.PacketIdentifier, (int)refusal.ReasonCode);
                        break;
                    case MqttPubRecPacket received:
                        await _client.SendAsync(new MqttPubRelPacket { PacketIdentifier = received.PacketIdentifier }, CancellationToken.None);
                        break;
                    case MqttPubCompPacket completed:
                        Acknowledge(completed.PacketIdentifier, (int)completed.ReasonCode);
                        break;
                }
            }
        }
        finally
        {
            _free.Writer.TryComplete(); // releases a sender that waits for the window
        }
    }

    /// <param name="reason">MQTT 5 reason code; 0 in older versions. 0x80 and up are refusals.</param>
    private void Acknowledge(ushort id, int reason)
    {
        if (id == 0 || id >= _sentAt.Length) throw new BenchFailure(BenchFailure.Malformed);
        if (reason >= 0x80) Interlocked.Increment(ref _counters.Refused);
        else _counters.AckTime.Record(_time.GetElapsedTime(_sentAt[id]));
        Interlocked.Increment(ref _counters.Acknowledged);
        _free.Writer.TryWrite(id);
    }
}
