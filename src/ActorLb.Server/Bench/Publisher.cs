using System.Text;
using System.Threading.Channels;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Mqtt.Client;

namespace ActorLb.Server.Bench;

/// <summary>One client that publishes: a sender that keeps its pace and a receiver that takes the acknowledgements.</summary>
internal sealed class Publisher
{
    private readonly BenchClient _client;
    private readonly PublishPlan _plan;
    private readonly PublishCounters _counters;
    private readonly TimeProvider _time;
    private readonly long _run;
    private readonly byte[] _topic;
    private readonly byte[] _payload;

    /// <summary>Owned by the sender, which waits for each write.</summary>
    private readonly byte[] _packet;

    /// <summary>Packet ids that may be used; taking one is waiting for the window.</summary>
    private readonly Channel<ushort> _free;

    /// <summary>By packet id; written by the sender before the packet, read by the receiver after its answer.</summary>
    private readonly long[] _sentAt;

    private readonly byte[] _ack = new byte[PacketWriter.AckLength];

    public Publisher(BenchClient client, string? userName, PublishPlan plan, PublishCounters counters, long run, TimeProvider time)
    {
        _client = client;
        _plan = plan;
        _counters = counters;
        _run = run;
        _time = time;
        _topic = Encoding.UTF8.GetBytes(TopicTemplate.Expand(plan.Topic, client.Number, userName));
        _payload = new byte[plan.Size];
        _payload.AsSpan().Fill((byte)'.');
        _packet = new byte[PacketWriter.PublishLength(client.Version, _topic.Length, plan.Size, plan.Qos)];
        _sentAt = new long[plan.InFlight + 1];
        _free = Channel.CreateBounded<ushort>(plan.InFlight);
        for (int id = 1; id <= plan.InFlight; id++) _free.Writer.TryWrite((ushort)id);
    }

    /// <summary>Sends until cancelled or the connection is lost, which the receiver counts.</summary>
    /// <param name="start">Time stamp at which the run began.</param>
    /// <param name="first">When this client's turn comes first, after the start.</param>
    /// <param name="interval">Between two of its messages; zero is without pause.</param>
    public async Task SendAsync(long start, TimeSpan first, TimeSpan interval, CancellationToken cancellation)
    {
        try
        {
            for (TimeSpan due = first; ; due += interval)
            {
                await _time.DelayUntil(start, due, cancellation);
                ushort id = _plan.Qos == 0 ? (ushort)0 : await _free.Reader.ReadAsync(cancellation);
                long now = _time.GetTimestamp();
                _sentAt[id] = now;
                PayloadStamp.Write(_payload, _run, now);
                int length = PacketWriter.WritePublish(_packet, _client.Version, _topic, _payload, _plan.Qos, id);
                // Not cancelled midway: half a packet would end the connection.
                await _client.SendAsync(_packet.AsMemory(0, length), CancellationToken.None);
                Interlocked.Increment(ref _counters.Sent);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or ChannelClosedException
            || BenchFailure.ReasonOf(exception) is not null)
        {
            // The end of the run, or of the connection.
        }
    }

    /// <summary>Takes acknowledgements until the connection ends.</summary>
    public async Task ReceiveAsync()
    {
        try
        {
            for (;;)
            {
                ReceivedPacket packet = await _client.ReceiveAsync(CancellationToken.None);
                if (packet.Header.Type is not (PacketType.Puback or PacketType.Pubrec or PacketType.Pubcomp)) continue;
                if (!PacketReader.TryReadAck(packet.Bytes.Span, _client.Version, packet.Header, out AckPacket ack)
                    || ack.PacketId == 0 || ack.PacketId >= _sentAt.Length)
                    throw new BenchFailure($"malformed {packet.Header.Type} from the broker");
                bool refused = ack.Reason >= 0x80;
                if (ack.Type == PacketType.Pubrec && !refused)
                {
                    PacketWriter.WriteAck(_ack, PacketType.Pubrel, ack.PacketId);
                    await _client.SendAsync(_ack, CancellationToken.None);
                    continue;
                }
                if (refused) Interlocked.Increment(ref _counters.Refused);
                else _counters.AckTime.Record(_time.GetElapsedTime(_sentAt[ack.PacketId]));
                Interlocked.Increment(ref _counters.Acknowledged);
                _free.Writer.TryWrite(ack.PacketId);
            }
        }
        finally
        {
            _free.Writer.TryComplete(); // a sender that waits for the window is let go
        }
    }
}
