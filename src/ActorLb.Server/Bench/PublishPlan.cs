namespace ActorLb.Server.Bench;

/// <param name="Topic">A <see cref="TopicTemplate"/>.</param>
/// <param name="Size">Bytes of the payload.</param>
/// <param name="Rate">Messages per second over all clients; 0 for as fast as the broker accepts them.</param>
/// <param name="InFlight">Unacknowledged messages per client with QoS 1 and 2.</param>
/// <param name="Subscribe">Use an additional subscriber that measures end to end.</param>
internal sealed record PublishPlan(string Topic, int Size, int Qos, double Rate, TimeSpan Duration, int InFlight, bool Subscribe);

/// <summary>Counters shared by all publishers and the subscriber of a run.</summary>
internal sealed class PublishCounters
{
    public long Sent;
    public long Acknowledged;
    public long Refused;
    public long Delivered;

    /// <summary>From a PUBLISH's write to its PUBACK or PUBCOMP.</summary>
    public LatencyHistogram AckTime { get; } = new();

    /// <summary>From a PUBLISH's write to its arrival at the subscriber.</summary>
    public LatencyHistogram DeliveryTime { get; } = new();
}

/// <summary>Marks a payload with the run and its send time, so that a subscriber can measure how long it took.</summary>
internal static class PayloadStamp
{
    public const int Length = 16;

    /// <summary>Writes as much of the stamp as the payload holds.</summary>
    public static void Write(Span<byte> payload, long run, long timestamp)
    {
        Span<byte> stamp = stackalloc byte[Length];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(stamp, run);
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(stamp[8..], timestamp);
        stamp[..Math.Min(Length, payload.Length)].CopyTo(payload);
    }

    /// <returns>False for a message of another run, such as a retained one.</returns>
    public static bool TryRead(ReadOnlySpan<byte> payload, long run, out long timestamp)
    {
        timestamp = 0;
        if (payload.Length < Length || System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(payload) != run) return false;
        timestamp = System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(payload[8..]);
        return true;
    }
}
