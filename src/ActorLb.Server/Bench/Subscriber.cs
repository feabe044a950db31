using System.Text;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Mqtt.Client;

namespace ActorLb.Server.Bench;

/// <summary>The one client that receives what the publishers send, to measure from end to end.</summary>
internal sealed class Subscriber(BenchClient client, PublishPlan plan, PublishCounters counters, long run, TimeProvider time)
{
    private readonly byte[] _ack = new byte[PacketWriter.AckLength];

    /// <summary>Subscribes and waits for the SUBACK.</summary>
    public async Task SubscribeAsync(string? userName, CancellationToken cancellation)
    {
        byte[] filter = Encoding.UTF8.GetBytes(TopicTemplate.Filter(plan.Topic, userName));
        var packet = new byte[PacketWriter.SubscribeLength(client.Version, filter.Length)];
        PacketWriter.WriteSubscribe(packet, client.Version, 1, filter, plan.Qos);
        await client.SendAsync(packet, cancellation);
        for (;;)
        {
            ReceivedPacket received = await client.ReceiveAsync(cancellation);
            if (received.Header.Type != PacketType.Suback) continue; // a retained message may come first
            if (!PacketReader.TryReadAck(received.Bytes.Span, client.Version, received.Header, out AckPacket ack))
                throw new BenchFailure("malformed SUBACK from the broker");
            if (ack.Reason >= 0x80) throw new BenchFailure($"SUBACK 0x{ack.Reason:X2}: the subscription was refused");
            return;
        }
    }

    /// <summary>Takes messages until the connection ends.</summary>
    public async Task ReceiveAsync()
    {
        for (;;)
        {
            ReceivedPacket packet = await client.ReceiveAsync(CancellationToken.None);
            if (packet.Header.Type == PacketType.Publish) await TakeAsync(packet);
            else if (packet.Header.Type == PacketType.Pubrel) await AnswerAsync(PacketType.Pubcomp, IdOf(packet));
        }
    }

    private ValueTask TakeAsync(in ReceivedPacket packet)
    {
        ReadOnlySpan<byte> bytes = packet.Bytes.Span;
        if (!PacketReader.TryReadPublish(bytes, client.Version, packet.Header, out PublishPacket publish))
            throw new BenchFailure("malformed PUBLISH from the broker");
        if (PayloadStamp.TryRead(publish.Payload.In(bytes), run, out long sent))
        {
            counters.DeliveryTime.Record(time.GetElapsedTime(sent));
            Interlocked.Increment(ref counters.Delivered);
        }
        return publish.Qos switch
        {
            1 => AnswerAsync(PacketType.Puback, publish.PacketId),
            2 => AnswerAsync(PacketType.Pubrec, publish.PacketId),
            _ => ValueTask.CompletedTask,
        };
    }

    private ushort IdOf(in ReceivedPacket packet) =>
        PacketReader.TryReadAck(packet.Bytes.Span, client.Version, packet.Header, out AckPacket ack)
            ? ack.PacketId
            : throw new BenchFailure("malformed PUBREL from the broker");

    private ValueTask AnswerAsync(PacketType type, ushort id)
    {
        PacketWriter.WriteAck(_ack, type, id);
        return client.SendAsync(_ack, CancellationToken.None);
    }
}
