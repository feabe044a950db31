using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>A snapshot of the map's size and state on this node.</summary>
/// <param name="Entries">In all tables, including copies.</param>
/// <param name="CopiedEntries">Of these, entries in shards that are not open here.</param>
/// <param name="Bytes">Memory of the tables.</param>
/// <param name="Evicted">Entries evicted because of the cap since the start.</param>
/// <param name="Lookups">Lookups answered as owner since the start.</param>
/// <param name="Owned">Shards open on this node.</param>
/// <param name="Opening">Shards whose actor is looking for the newest copy.</param>
/// <param name="Copies">Copies of other nodes' shards on this node.</param>
/// <param name="CompleteCopies">Copies that are up to date.</param>
/// <param name="Behind">The largest number of changes that a copy of a shard of this node has not confirmed.</param>
/// <param name="Unreplicated">Shards open on this node without a complete copy elsewhere.</param>
/// <param name="Offered">Shards whose former content is still being offered to the new owner.</param>
internal sealed record MapStatistics(
    long Entries, long CopiedEntries, long Bytes, long Evicted, long Lookups, int Owned, int Opening, int Copies, int CompleteCopies, long Behind, int Unreplicated,
    int Offered)
{
    public static MapStatistics Of(ReadOnlySpan<MapShard> shards)
    {
        var sum = new MapStatistics(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        foreach (var shard in shards)
        {
            lock (shard.Gate)
            {
                sum = sum.With(shard);
            }
        }

        return sum;
    }

    private MapStatistics With(MapShard shard)
    {
        long entries = 0;
        long bytes = 0;
        long evicted = 0;
        foreach (var partition in shard.Partitions)
        {
            entries += partition.Store.Table.Count;
            bytes += partition.Store.Table.Bytes;
            evicted += partition.Store.Eviction.Evicted;
        }

        bool isCopy = shard.Phase == ShardPhase.Closed && (shard.Synced || shard.Staging is not null);
        ulong acked = Math.Min(shard.Replica is { Streams: true } r ? r.Acked : ulong.MaxValue, shard.Next is { Streams: true } n ? n.Acked : ulong.MaxValue);
        return new MapStatistics(
            Entries + entries, CopiedEntries + (shard.Serves ? 0 : entries), Bytes + bytes, Evicted + evicted, Lookups + shard.Lookups, Owned + (shard.Serves ? 1 : 0),
            Opening + (shard.Phase == ShardPhase.Opening ? 1 : 0), Copies + (isCopy ? 1 : 0), CompleteCopies + (shard.Synced ? 1 : 0),
            Math.Max(Behind, shard.Serves && acked < shard.Log.Last ? (long)(shard.Log.Last - acked) : 0),
            Unreplicated + (shard.Serves && shard.Replica is not { IsComplete: true } ? 1 : 0), Offered + (shard.MustOffer ? 1 : 0));
    }
}
