namespace ActorLb.Sticky.Map.Sharding;

/// <summary>The replication progress of one copy of an open shard.</summary>
internal sealed class CopyTarget(MemberId member)
{
    public MemberId Member { get; } = member;

    /// <summary>The copy has a snapshot, or is receiving one, and follows the log.</summary>
    public bool Streams { get; set; }

    /// <summary>The copy reported that it is complete.</summary>
    public bool IsComplete { get; set; }

    /// <summary>The copy has confirmed the seal.</summary>
    public bool IsSealed { get; set; }

    public ulong Sent { get; set; }

    public ulong Acked { get; set; }

    public long SentAt { get; set; }

    public long HintAt { get; set; } = long.MinValue / 2;
}
