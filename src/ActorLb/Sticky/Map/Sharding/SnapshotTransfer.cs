using System.Buffers;

namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Transfers a shard's entries to another node partition by partition, so that no lock is held for long. The receiver requests a
/// few partitions at a time, and meanwhile applies changes to those it has. Called under the shard's lock unless stated
/// otherwise.
/// </summary>
internal sealed class SnapshotTransfer(MapContext context)
{
    /// <summary>The most entries sent for one request, unless a single partition has more.</summary>
    private const int WindowEntries = 4 * MapLimits.MaxEntries;

    /// <summary>Starts to fetch another node's content in order to open the shard with it.</summary>
    public void Take(MapShard shard, MemberId from, ulong epoch, long now) => Begin(shard, from, epoch, follow: false, now);

    /// <summary>Starts to follow the owner.</summary>
    public void Follow(MapShard shard, MemberId owner, ulong epoch, long now) => Begin(shard, owner, epoch, follow: true, now);

    public void Ask(MapShard shard)
    {
        var staging = shard.Staging!;
        ushort missing = (ushort)(shard.FirstPartition + Math.Min(staging.Missing, shard.Partitions.Length - 1));
        context.Outbox.Post(staging.From, new SnapshotRequest((ushort)shard.Number, staging.Epoch, missing, staging.Follows));
    }

    /// <summary>Sends the requested partitions. Takes the lock itself, once for every partition.</summary>
    public void OnRequest(MapShard shard, MemberId from, SnapshotRequest message, long now)
    {
        int sent = 0;
        for (int number = (int)message.Partition; shard.HasPartition(number) && sent < WindowEntries; number++)
        {
            lock (shard.Gate)
            {
                var follower = shard.Serves ? shard.TargetOf(from) : null;
                if (shard.HeldEpoch != message.Epoch || (message.Follow && follower is null))
                {
                    return;
                }

                if (message.Follow && number == shard.FirstPartition)
                {
                    Begin(shard, follower!, now);
                }

                int count = shard.Partition(number).Store.Table.Count;
                bool isLast = sent + count >= WindowEntries || !shard.HasPartition(number + 1);
                Post(shard, from, number, isLast, now);
                sent += Math.Max(1, count);
            }
        }
    }

    /// <summary>Adds a received chunk.</summary>
    /// <returns>Whether the snapshot is complete; then call <see cref="PutInForce"/>.</returns>
    public bool OnChunk(MapShard shard, MemberId from, SnapshotChunk message, long now)
    {
        if (shard.Staging is not { } staging || staging.From != from || staging.Epoch != message.Epoch)
        {
            return false;
        }

        foreach (var part in message.Parts)
        {
            if (!IsValid(shard, part))
            {
                context.Reject(from, message, $"partition {part.Partition}, {part.Entries.Length} of {part.Total} entries from {part.Offset}");
                return false;
            }

            staging.Take(part.Partition - shard.FirstPartition, part, context.Settings.PartitionBits, now);
        }

        staging.At = now;
        shard.PullAt = now + ShardCopying.PullRetryMilliseconds;
        if (!staging.IsComplete && message.IsLast && staging.Missing < shard.Partitions.Length)
        {
            Ask(shard);
        }

        return staging.IsComplete;
    }

    /// <summary>Replaces the content with the received snapshot.</summary>
    public void PutInForce(MapShard shard)
    {
        var staging = shard.Staging!;
        shard.HeldEpoch = staging.Epoch;
        shard.Applied = staging.Sequence;
        for (int i = 0; i < shard.Partitions.Length; i++)
        {
            shard.Partitions[i].Store.Replace(staging.Give(i));
        }

        shard.DropStaging();
        context.Counters.CountSnapshot();
    }

    private void Begin(MapShard shard, MemberId from, ulong epoch, bool follow, long now)
    {
        shard.DropStaging();
        shard.Staging = new ShardStaging(from, epoch, follow, shard.Partitions.Length) { At = now };
        Ask(shard);
    }

    private static void Begin(MapShard shard, CopyTarget target, long now)
    {
        target.Streams = true;
        target.IsComplete = false;
        target.Sent = target.Acked = shard.Log.Last;
        target.SentAt = now;
        shard.Log.Keeps = true;
    }

    private void Post(MapShard shard, MemberId to, int number, bool isLast, long now)
    {
        var table = shard.Partition(number).Store.Table;
        var entries = ArrayPool<ShardEntry>.Shared.Rent(Math.Max(1, table.Count));
        int total = table.CopyTo(entries);
        for (int offset = 0; offset == 0 || offset < total; offset += MapLimits.MaxEntries)
        {
            int count = Math.Min(MapLimits.MaxEntries, total - offset);
            var wire = new MapEntry[count];
            for (int i = 0; i < count; i++)
            {
                wire[i] = context.ToWire(entries[offset + i], now);
            }

            var part = new SnapshotPart((ushort)number, shard.Sequence, total, offset, wire);
            context.Outbox.Post(to, new SnapshotChunk(
                (ushort)shard.Number, shard.HeldEpoch, [part], isLast && offset + count >= total));
        }

        ArrayPool<ShardEntry>.Shared.Return(entries);
    }

    private bool IsValid(MapShard shard, in SnapshotPart part)
    {
        if (!shard.HasPartition(part.Partition) || part.Offset < 0 || part.Total < part.Offset + part.Entries.Length
            || part.Total > 2 * context.Rules.MaxPerShard || part.Entries.Length > MapLimits.MaxEntries)
        {
            return false;
        }

        foreach (var entry in part.Entries)
        {
            if (context.PartitionOf(entry.H) != part.Partition)
            {
                return false;
            }
        }

        return true;
    }
}
