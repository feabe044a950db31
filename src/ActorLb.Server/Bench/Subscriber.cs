using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace ActorLb.Server.Bench;

/// <summary>The one client that receives what the publishers send, to measure end to end.</summary>
internal sealed class Subscriber(BenchClient client, PublishPlan plan, PublishCounters counters, long run, TimeProvider time)
{
    /// <summary>Subscribes and waits for the SUBACK.</summary>
    public async Task SubscribeAsync(string? userName, CancellationToken cancel)
    {
        await client.SendAsync(new MqttSubscribePacket
        {
            PacketIdentifier = 1,
            TopicFilters =
            [
                new MqttTopicFilter
                {
                    Topic = TopicTemplate.Filter(plan.Topic, userName),
                    QualityOfServiceLevel = (MqttQualityOfServiceLevel)plan.Qos,
                },
            ],
        }, cancel);
        for (; ; )
        {
            // A retained message may come first.
            if (await client.ReceiveAsync(cancel) is not MqttSubAckPacket answer) continue;
            if (answer.ReasonCodes is not [var reason, ..]) throw new BenchFailure(BenchFailure.Malformed);
            if ((int)reason >= 0x80) throw new BenchFailure($"SUBACK 0x{(int)reason:X2}: the subscription was refused");
            return;
        }
    }

    /// <summary>Takes messages until the connection ends.</summary>
    public async Task ReceiveAsync()
    {
        for (; ; )
        {
            switch (await client.ReceiveAsync(CancellationToken.None))
            {
                case MqttPublishPacket message:
                    Take(message);
                    if (AnswerTo(message) is { } answer) await client.SendAsync(answer, CancellationToken.None);
                    break;
                case MqttPubRelPacket release:
                    await client.SendAsync(new MqttPubCompPacket { PacketIdentifier = release.PacketIdentifier }, CancellationToken.None);
                    break;
            }
        }
    }

    private void Take(MqttPublishPacket message)
    {
        // The library delivers a payload in one piece.
        if (!PayloadStamp.TryRead(message.Payload.FirstSpan, run, out long sent)) return;
        counters.DeliveryTime.Record(time.GetElapsedTime(sent));
        Interlocked.Increment(ref counters.Delivered);
    }

    private static MqttPacketWithIdentifier? AnswerTo(MqttPublishPacket message) => message.QualityOfServiceLevel switch
    {
        MqttQualityOfServiceLevel.AtLeastOnce => new MqttPubAckPacket { PacketIdentifier = message.PacketIdentifier },
        MqttQualityOfServiceLevel.ExactlyOnce => new MqttPubRecPacket { PacketIdentifier = message.PacketIdentifier },
        _ => null,
    };
}
