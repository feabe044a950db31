using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// Lets an owner learn entries from the live sessions that other nodes report, and renew or remove entries whose sessions ended. All
/// methods are called under the shard's lock.
/// </summary>
internal sealed class SessionLearning(MapContext context)
{
    public void OnLearn(MapShard shard, MemberId from, Learn message, long now)
    {
        if (!IsValid(shard, from, message, message.Partition, message.Entries) || !shard.Serves || message.Epoch != shard.HeldEpoch)
        {
            return;
        }

        var partition = shard.Partition(message.Partition);
        foreach (var entry in message.Entries)
        {
            Learn(
                shard, partition, entry.H, BackendRef.FromValue(entry.Backend), StickyClock.TicksAgo(now, entry.Age),
                (entry.Flags & EntryFlags.FellBack) != 0, now);
        }

        context.MarkSoon(shard.Number);
        context.Outbox.Post(from, new LearnAck(message.Shard, message.Epoch, message.Partition, message.Version));
    }

    public void OnTouch(MapShard shard, MemberId from, Touch message, long now)
    {
        if (!IsValid(shard, from, message, message.Partition, message.Entries) || !shard.Serves || message.Epoch != shard.HeldEpoch)
        {
            return;
        }

        var store = shard.Partition(message.Partition).Store;
        foreach (var entry in message.Entries)
        {
            End(store, entry.H, BackendRef.FromValue(entry.Backend), StickyClock.TicksAgo(now, entry.Age), (entry.Flags & EntryFlags.Refused) != 0);
        }

        context.Later.Set(shard.Number);
    }

    public void Learn(MapShard shard, MapPartition partition, ulong h, BackendRef backend, uint opened, bool fellBack, long now)
    {
        if (partition.Store.Learn(h, backend, opened, fellBack, StickyClock.TicksAgo(now, 0)))
        {
            context.Counters.CountLearned();
            context.Answered?.Invoke(default, h, shard.HeldEpoch, new LookupResult(LookupStatus.Assigned, backend));
        }
    }

    public static void End(ShardStore store, ulong h, BackendRef backend, uint ticks, bool isRefused)
    {
        if (isRefused)
        {
            store.TakeBack(h, backend, ticks);
        }
        else
        {
            store.Refresh(h, backend, ticks);
        }
    }

    private bool IsValid(MapShard shard, MemberId from, MapMessage message, int partition, MapEntry[] entries)
    {
        bool valid = entries.Length <= MapLimits.MaxEntries && shard.HasPartition(partition)
            && !Array.Exists(entries, e => context.PartitionOf(e.H) != partition);
        if (!valid)
        {
            context.Reject(from, message, $"partition {partition}, {entries.Length} entries");
        }

        return valid;
    }
}
