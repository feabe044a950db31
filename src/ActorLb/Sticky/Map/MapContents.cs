using System.Runtime.CompilerServices;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>Reads and changes the contents of this node's tables as a whole. Takes the shards' locks itself.</summary>
internal sealed class MapContents(MapContext context, MapShard[] shards)
{
    /// <summary>The number of entries of a shard on this node.</summary>
    public int CountOf(int shard)
    {
        lock (shards[shard].Gate)
        {
            return shards[shard].Partitions.Sum(p => p.Store.Table.Count);
        }
    }

    /// <summary>Returns the entries, one partition at a time, without those that no backend has confirmed.</summary>
    public IEnumerable<MapEntry[]> Export() =>
        from shard in shards from partition in shard.Partitions select Export(shard, partition.Store.Table);

    /// <summary>
    /// Adds entries of another process with the same key. Leaves out those that are invalid here or find no room.
    /// </summary>
    public void Import(ReadOnlySpan<MapEntry> entries)
    {
        long now = context.Clock.Milliseconds;
        foreach (ref readonly var entry in entries)
        {
            var shard = shards[context.ShardOf(entry.H)];
            lock (shard.Gate)
            {
                shard.Partition(context.PartitionOf(entry.H)).Store.Learn(
                    entry.H, BackendRef.FromValue(entry.Backend), StickyClock.TicksAgo(now, entry.Age), fellBack: false, context.Clock.Ticks);
            }
        }
    }

    /// <summary>
    /// Adds an entry from a backend's own list of clients, if this node owns the shard and has neither an entry nor a session of
    /// the client. Any thread.
    /// </summary>
    /// <param name="listed">When the list was requested, in milliseconds of <see cref="StickyClock"/>.</param>
    public SeedResult Seed(ulong h, BackendRef backend, long listed)
    {
        var shard = shards[context.ShardOf(h)];
        lock (shard.Gate)
        {
            if (!shard.Serves)
            {
                return SeedResult.Elsewhere;
            }

            var partition = shard.Partition(context.PartitionOf(h));
            if (partition.Live?.ContainsKey(h) == true)
            {
                return SeedResult.Known;
            }

            // One tick earlier: a session that began in the tick of the request is newer than the list.
            var result = partition.Store.Seed(h, backend, StickyClock.TicksAgo(listed, StickyClock.TickMilliseconds), context.Clock.Ticks);
            if (result == SeedResult.Added)
            {
                context.MarkSoon(shard.Number);
            }

            return result;
        }
    }

    /// <summary>Drops all entries, because the clients' keys have changed.</summary>
    public void Forget()
    {
        foreach (var shard in shards)
        {
            lock (shard.Gate)
            {
                shard.DropStaging();
                foreach (var partition in shard.Partitions)
                {
                    partition.Store.Table.Clear();
                    partition.Live = null;
                    partition.Ended = null;
                }
            }
        }
    }

    /// <summary>Frees the memory of all tables.</summary>
    public void Free()
    {
        foreach (var shard in shards)
        {
            lock (shard.Gate)
            {
                shard.DropStaging();
                foreach (var partition in shard.Partitions)
                {
                    partition.Store.Table.Dispose();
                }
            }
        }
    }

    private MapEntry[] Export(MapShard shard, ShardTable table)
    {
        lock (shard.Gate)
        {
            long now = context.Clock.Milliseconds;
            var entries = new List<MapEntry>(table.Count);
            for (int i = 0; i < table.Capacity; i++)
            {
                ref var entry = ref table.At(i);
                if (!Unsafe.IsNullRef(ref entry) && !entry.IsProvisional)
                {
                    entries.Add(context.ToWire(entry, now));
                }
            }

            return [.. entries];
        }
    }
}
