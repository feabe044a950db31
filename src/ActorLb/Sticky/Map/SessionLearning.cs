using System.Runtime.InteropServices;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// Tells owners what lives here. A partition's live sessions go to its owner whenever the owner changed or a lookup was not answered by
/// it, again and again until the owner confirms; ends and signs of life go once. So a map that lost everything is rebuilt from the
/// connections. All methods are called under the shard's lock.
/// </summary>
internal sealed class SessionLearning(MapContext context)
{
    private const long RetryMilliseconds = 300;

    /// <summary>More than passes from the beginning of a split until the smaller side knows of it.</summary>
    private const long UnconfirmedMilliseconds = 60_000;

    private int _sessions;

    public uint Open(MapShard shard, ulong h, BackendRef backend, StickyOutcome outcome, long now)
    {
        var number = (uint)Interlocked.Increment(ref _sessions);
        var partition = shard.Partition(context.PartitionOf(h));
        var live = partition.Live ??= [];
        var fellBack = outcome is StickyOutcome.Fallback or StickyOutcome.Hedge;

        // A fleet of one may be what a split left of a larger one, which goes on without it.
        var isUnconfirmed = (fellBack && !shard.Serves) || context.View.Members is { All.Length: 1 };
        live[h] = new LiveSession(backend, number, now, isUnconfirmed);
        partition.FellBack |= isUnconfirmed;
        if (fellBack && shard.Serves)
        {
            Learn(shard, partition, h, backend, StickyClock.TicksAgo(now, 0), fellBack: true, now);
            context.MarkSoon(shard.Number);
        }
        else if (fellBack)
        {
            // A replica that was cut off from its owner may have told an old broker: the owner has to hear of that, too, but without
            // haste; while an owner is slow there are many of these.
            partition.LearnVersion++;
            partition.LearnAt = outcome == StickyOutcome.Fallback ? now : Math.Max(partition.LearnAt, now + RetryMilliseconds);
            context.MarkTell(partition.Number);
        }

        partition.Store.Accept(h, backend, StickyClock.TicksAgo(now, 0), add: shard.Serves);
        return number;
    }

    /// <summary>A session was not accepted. Where it had moved a client that is connected still, that one's entry comes back.</summary>
    public void Abandon(MapShard shard, ulong h, BackendRef backend, long sinceMade, long now)
    {
        var partition = shard.Partition(context.PartitionOf(h));
        if (!shard.Serves)
        {
            if (sinceMade >= 0)
            {
                TellEnd(partition, h, backend, now - sinceMade, isRefused: true);
            }

            return;
        }

        if (partition.Store.TakeBack(h, backend) && partition.Live is { } live && live.TryGetValue(h, out var held))
        {
            partition.Store.Accept(h, held.Backend, StickyClock.TicksAgo(now, now - held.Opened), add: true);
        }

        context.MarkSoon(shard.Number);
    }

    public void Close(MapShard shard, ulong h, BackendRef backend, uint session, long now)
    {
        var partition = shard.Partition(context.PartitionOf(h));
        if (partition.Live is { } live && live.TryGetValue(h, out var held) && held.Number == session)
        {
            live.Remove(h);
            partition.Store.Leave(h, backend);
        }

        if (shard.Serves)
        {
            partition.Store.Refresh(h, backend, StickyClock.TicksAgo(now, 0));
            partition.Store.Eviction.Trim();
            context.Later.Set(shard.Number);
            return;
        }

        TellEnd(partition, h, backend, now, isRefused: false);
    }

    /// <summary>Another owner, or the same one again: it hears of every session.</summary>
    public void OnOwnerChanged(MapShard shard, long now)
    {
        foreach (var partition in shard.Partitions)
        {
            if (partition.Live is { Count: > 0 })
            {
                partition.LearnVersion++;
                partition.LearnAt = now;
                context.MarkTell(partition.Number);
            }
        }
    }

    /// <summary>The node is in no fleet any more: who answered its last questions may not have been the one whom the others heard.</summary>
    public static void OnDetached(MapShard shard, long now)
    {
        foreach (var partition in shard.Partitions)
        {
            foreach (var h in partition.Live?.Keys.ToArray() ?? [])
            {
                ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(partition.Live!, h);
                if (now - session.Opened < UnconfirmedMilliseconds)
                {
                    session = session with { FellBack = true };
                    partition.FellBack = true;
                }
            }
        }
    }

    /// <summary>
    /// The owner answered a question that was given up meanwhile: with that it dated the entry later than the session which went
    /// without its word. The session lives, so it is the newer.
    /// </summary>
    public void OnLateReply(MapPartition partition, long now)
    {
        if (!partition.FellBack || partition.LateAt == now)
        {
            return;
        }

        partition.LateAt = now;
        foreach (var h in partition.Live!.Keys.ToArray())
        {
            ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(partition.Live, h);
            session = session.FellBack ? session with { Opened = now } : session;
        }

        partition.LearnVersion++;
        partition.LearnAt = now;
        context.MarkTell(partition.Number);
    }

    /// <summary>Sends what the owner has not confirmed.</summary>
    /// <returns>Whether something remains.</returns>
    public bool Tell(MapShard shard, MapPartition partition, MapView view, long now)
    {
        TellEnds(shard, partition, view, now);
        if (partition.LearnVersion == partition.Learned)
        {
            return false;
        }

        if (partition.Live is not { Count: > 0 } live)
        {
            partition.Learned = partition.LearnVersion;
            return false;
        }

        if (shard.Serves)
        {
            foreach (var (h, session) in live)
            {
                Learn(shard, partition, h, session.Backend, StickyClock.TicksAgo(now, now - session.Opened), session.FellBack, now);
                partition.Store.Accept(h, session.Backend, StickyClock.TicksAgo(now, 0), add: false);
            }

            Confirm(partition, partition.LearnVersion);
            context.MarkSoon(shard.Number);
            return false;
        }

        if (now >= partition.LearnAt && OwnerOf(shard, view) is { } owner)
        {
            partition.LearnAt = now + RetryMilliseconds;
            Send(shard, partition, owner, now, learn: true);
        }

        return true;
    }

    /// <summary>Signs of life for every session here, so that no entry of a live connection expires.</summary>
    public void TouchAll(MapShard shard, MapPartition partition, MapView view, long now)
    {
        partition.LiveTouchAt = now + (context.Rules.TtlTicks * (long)StickyClock.TickMilliseconds / 3);
        if (partition.Live is not { Count: > 0 } live)
        {
            return;
        }

        if (!shard.Serves)
        {
            if (OwnerOf(shard, view) is { } owner)
            {
                Send(shard, partition, owner, now, learn: false);
            }

            return;
        }

        foreach (var (h, session) in live)
        {
            partition.Store.Refresh(h, session.Backend, StickyClock.TicksAgo(now, 0));
        }
    }

    public void OnLearn(MapShard shard, PeerId from, Learn message, long now)
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

    public void OnLearnAck(MapShard shard, LearnAck message)
    {
        if (shard.HasPartition(message.Partition) && shard.Seats?.Epoch == message.Epoch)
        {
            Confirm(shard.Partition(message.Partition), message.Version);
        }
    }

    public void OnTouch(MapShard shard, PeerId from, Touch message, long now)
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

    private static void End(ShardStore store, ulong h, BackendRef backend, uint ticks, bool isRefused)
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

    /// <summary>Past the bound the entry's life counts from the last sign of life instead, at most a third less; and who was refused is remembered.</summary>
    private void TellEnd(MapPartition partition, ulong h, BackendRef backend, long at, bool isRefused)
    {
        if ((partition.Ended ??= []).Count < MapLimits.MaxEntries)
        {
            partition.Ended.Add((h, backend, at, isRefused));
            context.TellLater.Set(partition.Number);
        }
    }

    private static PeerId? OwnerOf(MapShard shard, MapView view) =>
        shard.Seats is { } seats && view.Members is { } members && seats.Owner != members.Self && members.CanReach(seats.Owner) ? seats.Owner : null;

    private bool IsValid(MapShard shard, PeerId from, MapMessage message, int partition, MapEntry[] entries)
    {
        var valid = entries.Length <= MapLimits.MaxEntries && shard.HasPartition(partition)
            && !Array.Exists(entries, e => context.PartitionOf(e.H) != partition);
        if (!valid)
        {
            context.Reject(from, message, $"partition {partition}, {entries.Length} entries");
        }

        return valid;
    }

    private void Learn(MapShard shard, MapPartition partition, ulong h, BackendRef backend, uint opened, bool fellBack, long now)
    {
        if (partition.Store.Learn(h, backend, opened, fellBack, StickyClock.TicksAgo(now, 0)))
        {
            context.Counters.CountLearned();
            context.Answered?.Invoke(default, h, shard.HeldEpoch, new LookupResult(LookupStatus.Assigned, backend));
        }
    }

    private static void Confirm(MapPartition partition, uint version)
    {
        if (version != partition.LearnVersion)
        {
            return;
        }

        partition.Learned = version;
        foreach (var h in partition.FellBack ? partition.Live!.Keys.ToArray() : [])
        {
            ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(partition.Live!, h);
            session = session with { FellBack = false };
        }

        partition.FellBack = false;
    }

    private void TellEnds(MapShard shard, MapPartition partition, MapView view, long now)
    {
        if (partition.Ended is not { Count: > 0 } ended)
        {
            return;
        }

        if (shard.Serves)
        {
            foreach (var (h, backend, at, isRefused) in ended)
            {
                End(partition.Store, h, backend, StickyClock.TicksAgo(now, now - at), isRefused);
            }

            context.Later.Set(shard.Number);
        }
        else if (OwnerOf(shard, view) is { } owner)
        {
            var wire = ended.Select(e => new MapEntry(e.H, e.Backend.Value, (uint)(now - e.At), e.IsRefused ? EntryFlags.Refused : EntryFlags.Refreshed)).ToArray();
            context.Outbox.Post(owner, new Touch((ushort)shard.Number, shard.Seats!.Epoch, (ushort)partition.Number, wire));
        }

        ended.Clear();
    }

    /// <summary>More sessions than a message holds go in several; they keep their order, so confirming the last confirms all.</summary>
    private void Send(MapShard shard, MapPartition partition, PeerId owner, long now, bool learn)
    {
        var left = partition.Live!.Count;
        foreach (var some in partition.Live.Chunk(MapLimits.MaxEntries))
        {
            left -= some.Length;
            var wire = Array.ConvertAll(some, s => new MapEntry(
                s.Key, s.Value.Backend.Value, learn ? (uint)(now - s.Value.Opened) : 0,
                learn && s.Value.FellBack ? EntryFlags.FellBack : EntryFlags.None));
            context.Outbox.Post(owner, learn
                ? new Learn(
                    (ushort)shard.Number, shard.Seats!.Epoch, (ushort)partition.Number, left == 0 ? partition.LearnVersion : partition.LearnVersion - 1, wire)
                : new Touch((ushort)shard.Number, shard.Seats!.Epoch, (ushort)partition.Number, wire));
        }
    }
}
