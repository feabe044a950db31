using System.Runtime.InteropServices;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// Sends this node's live sessions to the shards' owners. All sessions of a partition are sent whenever its owner changes or a
/// lookup was not answered by the owner, repeatedly until the owner confirms; ends and keep-alives are sent once. A map that lost
/// everything is thereby rebuilt from the connections. All methods are called under the shard's lock.
/// </summary>
internal sealed class SessionReporting(MapContext context, SessionLearning learning)
{
    private const long RetryMilliseconds = 300;

    /// <summary>Longer than it takes the smaller side of a split to notice it.</summary>
    private const long UnconfirmedMilliseconds = 60_000;

    private int _sessions;

    public uint Open(MapShard shard, ulong h, BackendRef backend, StickyOutcome outcome, long now)
    {
        uint number = (uint)Interlocked.Increment(ref _sessions);
        var partition = shard.Partition(context.PartitionOf(h));
        var live = partition.Live ??= [];
        bool fellBack = outcome is StickyOutcome.Fallback or StickyOutcome.Hedge;

        // A single member may be the remainder of a split whose larger side carries on without it.
        bool isUnconfirmed = (fellBack && !shard.Serves) || context.View.Members is { All.Length: 1 };
        live[h] = new LiveSession(backend, number, now, isUnconfirmed);
        partition.FellBack |= isUnconfirmed;
        if (fellBack && shard.Serves)
        {
            learning.Learn(shard, partition, h, backend, StickyClock.TicksAgo(now, 0), fellBack: true, now);
            context.MarkSoon(shard.Number);
        }
        else if (fellBack)
        {
            // A replica cut off from its owner may have returned an outdated broker, so the owner must learn of this session too.
            // Not urgently: while an owner is slow there are many of these.
            partition.LearnVersion++;
            partition.LearnAt = outcome == StickyOutcome.Fallback ? now : Math.Max(partition.LearnAt, now + RetryMilliseconds);
            context.MarkReport(partition.Number);
        }

        partition.Store.Accept(h, backend, StickyClock.TicksAgo(now, 0), add: shard.Serves);
        return number;
    }

    /// <summary>
    /// A session was not accepted. If the client still has an older session here, restores that session's entry.
    /// </summary>
    public void Abandon(MapShard shard, ulong h, BackendRef backend, long sinceMade, long now)
    {
        var partition = shard.Partition(context.PartitionOf(h));
        if (!shard.Serves)
        {
            if (sinceMade >= 0)
            {
                QueueEnd(partition, h, backend, now - sinceMade, isRefused: true);
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

        QueueEnd(partition, h, backend, now, isRefused: false);
    }

    /// <summary>The owner changed, or reopened the shard: sends it every session.</summary>
    public void OnOwnerChanged(MapShard shard, long now)
    {
        foreach (var partition in shard.Partitions)
        {
            if (partition.Live is { Count: > 0 })
            {
                partition.LearnVersion++;
                partition.LearnAt = now;
                context.MarkReport(partition.Number);
            }
        }
    }

    /// <summary>
    /// The node is no longer a member. The owner that answered its latest lookups may not be the one the others followed, so the
    /// recent sessions count as unconfirmed.
    /// </summary>
    public static void OnDetached(MapShard shard, long now)
    {
        foreach (var partition in shard.Partitions)
        {
            foreach (ulong h in partition.Live?.Keys.ToArray() ?? [])
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
    /// The owner answered a call after this node had given it up, and so dated the entry later than the session that was opened
    /// without its answer. That session is alive, so date it later still.
    /// </summary>
    public void OnLateReply(MapPartition partition, long now)
    {
        if (!partition.FellBack || partition.LateAt == now)
        {
            return;
        }

        partition.LateAt = now;
        foreach (ulong h in partition.Live!.Keys.ToArray())
        {
            ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(partition.Live, h);
            session = session.FellBack ? session with { Opened = now } : session;
        }

        partition.LearnVersion++;
        partition.LearnAt = now;
        context.MarkReport(partition.Number);
    }

    /// <summary>Sends sessions that the owner has not confirmed.</summary>
    /// <returns>Whether some remain unconfirmed.</returns>
    public bool SendUnconfirmed(MapShard shard, MapPartition partition, MapView view, long now)
    {
        SendEnds(shard, partition, view, now);
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
                learning.Learn(shard, partition, h, session.Backend, StickyClock.TicksAgo(now, now - session.Opened), session.FellBack, now);
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

    /// <summary>Renews the entries of all sessions on this node, so that no live connection's entry expires.</summary>
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

    public void OnLearnAck(MapShard shard, LearnAck message)
    {
        if (shard.HasPartition(message.Partition) && shard.Seats?.Epoch == message.Epoch)
        {
            Confirm(shard.Partition(message.Partition), message.Version);
        }
    }

    /// <summary>
    /// Ends beyond the limit are dropped: the entry then expires up to a third of its time to live earlier, and a refused client
    /// keeps its entry.
    /// </summary>
    private void QueueEnd(MapPartition partition, ulong h, BackendRef backend, long at, bool isRefused)
    {
        if ((partition.Ended ??= []).Count < MapLimits.MaxEntries)
        {
            partition.Ended.Add((h, backend, at, isRefused));
            context.ReportLater.Set(partition.Number);
        }
    }

    private static MemberId? OwnerOf(MapShard shard, MapView view) =>
        shard.Seats is { } seats && view.Members is { } members && seats.Owner != members.Self && members.CanReach(seats.Owner) ? seats.Owner : null;

    private static void Confirm(MapPartition partition, uint version)
    {
        if (version != partition.LearnVersion)
        {
            return;
        }

        partition.Learned = version;
        foreach (ulong h in partition.FellBack ? partition.Live!.Keys.ToArray() : [])
        {
            ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(partition.Live!, h);
            session = session with { FellBack = false };
        }

        partition.FellBack = false;
    }

    private void SendEnds(MapShard shard, MapPartition partition, MapView view, long now)
    {
        if (partition.Ended is not { Count: > 0 } ended)
        {
            return;
        }

        if (shard.Serves)
        {
            foreach (var (h, backend, at, isRefused) in ended)
            {
                SessionLearning.End(partition.Store, h, backend, StickyClock.TicksAgo(now, now - at), isRefused);
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

    /// <summary>
    /// Splits the sessions into several messages if needed. They arrive in order, so confirming the last confirms all.
    /// </summary>
    private void Send(MapShard shard, MapPartition partition, MemberId owner, long now, bool learn)
    {
        int left = partition.Live!.Count;
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
