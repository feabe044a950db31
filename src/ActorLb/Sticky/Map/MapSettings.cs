using System.Numerics;

namespace ActorLb.Sticky.Map;

/// <param name="Shards">A power of two; must be the same on all nodes.</param>
/// <param name="MaxEntries">The cap of the whole map on this node.</param>
internal sealed record MapSettings(int Shards, TimeSpan Ttl, int MaxEntries)
{
    /// <summary>
    /// The number of top bits of a key that select its partition; 10 except in tests. Nodes of all versions must agree.
    /// </summary>
    public int PartitionBits { get; init; } = 10;

    /// <summary>The number of partitions with the default <see cref="PartitionBits"/>.</summary>
    public const int StandardPartitions = 1 << 10;

    /// <summary>The period in which every partition is swept and compared with its copy once.</summary>
    public long DigestMilliseconds { get; init; } = 60_000;

    public long HedgeMilliseconds { get; init; } = 30;

    /// <summary>Slightly below the promised 100 ms, because deadlines are checked in steps of 5 ms.</summary>
    public long FallbackMilliseconds { get; init; } = 95;

    public int LastKnownGoodEntries { get; init; } = 1 << 17;

    /// <summary>
    /// The most changes that a shard keeps for its copies, about 6 MB in all; a copy further behind needs a snapshot.
    /// </summary>
    public int LogOps { get; init; } = Math.Clamp((1 << 18) / Math.Max(1, Shards), 256, 4096);

    public int Partitions => 1 << PartitionBits;

    public int PartitionsPerShard => Partitions / Shards;

    /// <exception cref="InvalidOperationException">
    /// The number of shards is not a power of two, or exceeds the number of partitions.
    /// </exception>
    public void Check()
    {
        if (Shards < 1 || !BitOperations.IsPow2(Shards) || Shards > Partitions)
        {
            throw new InvalidOperationException($"{Shards} shards: a power of two of at most {Partitions} is needed.");
        }
    }
}
