using System.Runtime.CompilerServices;

namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Offers entries to the new owner of a shard that this node served until its ownership ended without a hand-over (after a split,
/// or when the fleet system restarted). Entries are sent in batches, each confirmed; only then is the content dropped or
/// replaced. Called under the shard's lock.
/// </summary>
internal sealed class ShardOffers(MapContext context)
{
    private const long ResendMilliseconds = 200;

    /// <summary>Periodic work of the former owner: sends the next batch.</summary>
    /// <returns>Whether entries are left to offer.</returns>
    public bool SendNext(MapShard shard, MapView view, long now)
    {
        if (!shard.MustOffer || shard.Phase != ShardPhase.Closed)
        {
            return false;
        }

        if (view.Members is not { } members || shard.Seats is not { } seats || seats.Owner == members.Self || !members.CanReach(seats.Owner))
        {
            return true;
        }

        var at = shard.Offering;
        if (at.SentAt != 0 && now - at.SentAt < ResendMilliseconds)
        {
            return true;
        }

        while (at.Partition < shard.Partitions.Length)
        {
            var (entries, next) = Read(shard.Partitions[at.Partition].Store, at.Place, now);
            if (entries.Length > 0)
            {
                shard.Offering = (at.Partition, at.Place, next, Math.Max(1, now));
                context.Outbox.Post(seats.Owner, new Offer(
                    (ushort)shard.Number, seats.Epoch, (ushort)shard.Partitions[at.Partition].Number, at.Place, entries));
                return true;
            }

            at = (at.Partition + 1, 0, 0, 0);
        }

        shard.MustOffer = false;
        shard.Offering = default;
        shard.PullAt = now;
        if (!seats.Seats(members.Self) && seats.ReplicaIsComplete)
        {
            shard.Forget();
        }

        return false;
    }

    public void OnOffer(MapShard shard, MemberId from, Offer message, long now)
    {
        if (message.Entries.Length > MapLimits.MaxEntries || !shard.HasPartition(message.Partition)
            || Array.Exists(message.Entries, e => context.PartitionOf(e.H) != message.Partition))
        {
            context.Reject(from, message, $"partition {message.Partition}, {message.Entries.Length} entries");
            return;
        }

        if (!shard.Serves || message.Epoch != shard.HeldEpoch)
        {
            return;
        }

        var store = shard.Partition(message.Partition).Store;
        foreach (var entry in message.Entries)
        {
            if (ShardOpener.AddMissing(store, entry.H, BackendRef.FromValue(entry.Backend), MapContext.TouchOf(entry, now), now))
            {
                context.Counters.CountOffered();
                context.Answered?.Invoke(
                    default, entry.H, shard.HeldEpoch, new LookupResult(LookupStatus.Assigned, BackendRef.FromValue(entry.Backend)));
            }
        }

        context.MarkSoon(shard.Number);
        context.Outbox.Post(from, new OfferAck(message.Shard, message.Epoch, message.Partition, message.Place));
    }

    public void OnOfferAck(MapShard shard, MemberId from, OfferAck message, MapView view, long now)
    {
        var at = shard.Offering;
        if (shard.MustOffer && at.SentAt != 0 && shard.Seats is { } seats && seats.Owner == from && seats.Epoch == message.Epoch
            && message.Partition == shard.FirstPartition + at.Partition && message.Place == at.Place)
        {
            shard.Offering = (at.Partition, at.Next, 0, 0);
            if (SendNext(shard, view, now))
            {
                context.Later.Set(shard.Number);
            }
        }
    }

    /// <summary>
    /// Returns valid entries of a partition starting at a position, as many as fit in a message, and the position to continue at.
    /// </summary>
    private (MapEntry[] Entries, int Next) Read(ShardStore store, int place, long now)
    {
        var entries = new List<MapEntry>();
        uint ticks = StickyClock.TicksAgo(now, 0);
        for (; place < store.Table.Capacity && entries.Count < MapLimits.MaxEntries; place++)
        {
            ref var entry = ref store.Table.At(place);
            if (!Unsafe.IsNullRef(ref entry) && !store.Peek(entry.H, ticks).IsNone)
            {
                entries.Add(context.ToWire(entry, now));
            }
        }

        return ([.. entries], place);
    }
}
