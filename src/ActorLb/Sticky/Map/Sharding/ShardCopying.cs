namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Replicates shards: the owner streams its log, the copy confirms, and requests changes again that it missed. A copy accepts
/// messages only under the epoch and from the owner that it knows, so a former owner never overwrites newer content. All methods
/// are called under the shard's lock.
/// </summary>
internal sealed class ShardCopying(MapContext context, ShardSeating seating, SnapshotTransfer snapshots)
{
    public const long PullRetryMilliseconds = 500;
    private const long ResendMilliseconds = 200;

    /// <summary>
    /// The most snapshots received at once: each doubles the memory of its shard, and a joining node must not be overloaded.
    /// </summary>
    private readonly int _maxPulls = Math.Clamp(context.Settings.Shards / 8, 1, 8);

    private int _pulls;

    /// <summary>Periodic work of the owner: sends the changes that its copies lack.</summary>
    /// <returns>Whether copies still lack something.</returns>
    public bool ServeCopies(MapShard shard, MapView view, long now)
    {
        var log = shard.Log;
        var wasComplete = (shard.Replica?.IsComplete, shard.Next?.IsComplete);
        bool pending = Stream(shard, shard.Replica, view, now) | Stream(shard, shard.Next, view, now);
        ulong least = log.Last;
        bool streams = false;
        foreach (var target in (ReadOnlySpan<CopyTarget?>)[shard.Replica, shard.Next])
        {
            if (target is { Streams: true })
            {
                streams = true;
                least = Math.Min(least, target.Acked);
            }
        }

        log.Keeps = streams;
        log.Trim(least);
        if (wasComplete != (shard.Replica?.IsComplete, shard.Next?.IsComplete))
        {
            seating.Decide(shard, view);
        }

        return pending;
    }

    /// <summary>Periodic work of the copy: requests a snapshot if it needs one.</summary>
    /// <returns>Whether it still needs one.</returns>
    public bool Pull(MapShard shard, MapView view, long now)
    {
        if (shard.Synced || shard.MustOffer || view.Members is not { } members || shard.Seats is not { } seats || !seats.Seats(members.Self))
        {
            return false;
        }

        if (shard.Staging is { } staging && (staging.From != seats.Owner || staging.Epoch != seats.Epoch))
        {
            EndPull(shard);
        }

        if (now < shard.PullAt || !members.CanReach(seats.Owner))
        {
            return true;
        }

        shard.PullAt = now + PullRetryMilliseconds;
        if (shard.Staging is { IsBegun: true })
        {
            snapshots.Ask(shard);
        }
        else if (shard.Staging is not null || Volatile.Read(ref _pulls) < _maxPulls)
        {
            _ = shard.Staging is null ? Interlocked.Increment(ref _pulls) : 0;
            snapshots.Follow(shard, seats.Owner, seats.Epoch, now);
        }
        else
        {
            shard.PullAt = now + 20;
        }

        return true;
    }

    public void OnReplicate(MapShard shard, MemberId from, Replicate message, long now)
    {
        if (message.Ops.Length > MapLimits.MaxOps || Array.Exists(message.Ops, o => context.ShardOf(o.Entry.H) != shard.Number))
        {
            context.Reject(from, message, $"{message.Ops.Length} changes");
            return;
        }

        var staging = shard.Staging is { Follows: true, IsBegun: true } s && s.From == from && s.Epoch == message.Epoch ? s : null;
        if (!IsOf(shard, from, message) || (!shard.Synced && staging is null))
        {
            return;
        }

        ulong applied = staging?.Applied ?? shard.Applied;
        if (message.First > applied + 1)
        {
            Ack(shard, from, applied, resend: true);
            return;
        }

        for (int i = (int)Math.Min((ulong)message.Ops.Length, applied + 1 - message.First); i < message.Ops.Length; i++)
        {
            Apply(shard, staging, message.Ops[i], now);
        }

        if (staging?.IsComplete == true)
        {
            Complete(shard);
        }

        Ack(shard, from, staging is null || shard.Synced ? shard.Applied : staging.Applied, resend: false);
    }

    public void OnHint(MapShard shard, MemberId from, CopyHint message, long now)
    {
        if (!IsOf(shard, from, message))
        {
            return;
        }

        if (shard.Synced && message.Next <= shard.Applied + 1)
        {
            Ack(shard, from, shard.Applied, resend: true);
        }
        else if (shard.Synced || (!message.IsStreaming && shard.Staging is not { IsBegun: false }))
        {
            // The owner no longer has the missing changes, so a snapshot is needed.
            Unsync(shard, now);
        }
    }

    public void OnAck(MapShard shard, MemberId from, ReplicateAck message, MapView view)
    {
        if (message.Epoch != shard.HeldEpoch || shard.Phase is not (ShardPhase.Open or ShardPhase.Sealing)
            || shard.TargetOf(from) is not { } target || message.Applied > shard.Log.Last)
        {
            return;
        }

        target.Acked = Math.Max(target.Acked, message.Applied);
        if (message.Resend)
        {
            // This also resumes a copy that was considered too far behind, if the log still holds all it needs.
            target.Sent = message.Applied;
            target.Streams = message.Applied + 1 >= shard.Log.First;
            context.MarkSoon(shard.Number);
        }

        if (target.IsComplete != (message.IsComplete && target.Streams))
        {
            target.IsComplete = !target.IsComplete;
            seating.Decide(shard, view);
        }
    }

    public void OnChunk(MapShard shard, MemberId from, SnapshotChunk message, long now)
    {
        if (IsOf(shard, from, message) && shard.Staging is { Follows: true } staging && snapshots.OnChunk(shard, from, message, now))
        {
            Complete(shard);
            Ack(shard, from, staging.Applied, resend: true);
        }
    }

    /// <summary>Sends digests to copies that have confirmed all changes.</summary>
    public void SendDigest(MapShard shard, MapPartition partition)
    {
        Digest? digest = null;
        foreach (var target in (ReadOnlySpan<CopyTarget?>)[shard.Replica, shard.Next])
        {
            if (target is { Streams: true, IsComplete: true } && target.Acked == shard.Log.Last)
            {
                digest ??= new Digest(
                    (ushort)shard.Number, shard.HeldEpoch, (ushort)partition.Number, shard.Log.Last, partition.Store.Table.Count, ValueOf(partition));
                context.Outbox.Post(target.Member, digest);
            }
        }
    }

    public void OnDigest(MapShard shard, MemberId from, Digest message, long now)
    {
        if (!IsOf(shard, from, message) || !shard.Synced || shard.Applied != message.Sequence || !shard.HasPartition(message.Partition))
        {
            return;
        }

        var partition = shard.Partition(message.Partition);
        if (partition.Store.Table.Count != message.Count || ValueOf(partition) != message.Value)
        {
            context.Counters.CountDigestMismatch();
            Unsync(shard, now);
        }
    }

    /// <summary>Cancels a snapshot in progress.</summary>
    public void EndPull(MapShard shard)
    {
        if (shard.Staging is { Follows: true })
        {
            shard.DropStaging();
        }
    }

    /// <summary>Counts the snapshots in progress. Called by the clock, which visits all shards.</summary>
    public void CountPulls(MapShard[] shards) => Volatile.Write(ref _pulls, shards.Count(s => s.Staging is { Follows: true }));

    /// <summary>The sender is the owner that this node knows, under the same epoch.</summary>
    private static bool IsOf(MapShard shard, MemberId from, ShardMessage message) =>
        shard.Phase == ShardPhase.Closed && shard.Seats is { } seats && seats.Epoch == message.Epoch && seats.Owner == from;

    private bool Stream(MapShard shard, CopyTarget? target, MapView view, long now)
    {
        if (target is null || view.Members?.CanReach(target.Member) != true)
        {
            return target is not null;
        }

        var log = shard.Log;
        if (target.Streams && target.Sent > target.Acked && now - target.SentAt > ResendMilliseconds)
        {
            target.Sent = target.Acked;
        }

        if (target.Streams && target.Sent + 1 < log.First && target.Sent < log.Last)
        {
            target.Streams = false;
            target.IsComplete = false;
            context.Counters.CountLogOverflow();
        }

        // A copy reports once that it is complete, and that message may be lost.
        if ((!target.Streams || (!target.IsComplete && target.Acked == log.Last)) && now - target.HintAt >= ResendMilliseconds)
        {
            target.HintAt = now;
            context.Outbox.Post(target.Member, new CopyHint((ushort)shard.Number, shard.HeldEpoch, log.Last + 1, target.Streams));
        }

        if (!target.Streams)
        {
            return true;
        }

        if (target.Sent < log.Last)
        {
            SendOps(shard, target, now);
            target.SentAt = now;
        }

        return target.Acked < log.Last || !target.IsComplete;
    }

    private void SendOps(MapShard shard, CopyTarget target, long now)
    {
        Span<LogOp> ops = stackalloc LogOp[256];
        while (target.Sent < shard.Log.Last && shard.Log.Read(target.Sent + 1, ops) is > 0 and var count)
        {
            var wire = new MapOp[count];
            for (int i = 0; i < count; i++)
            {
                wire[i] = new MapOp(ops[i].Kind, context.ToWire(ops[i].H, ops[i].Backend, ops[i].Touch, now));
            }

            context.Outbox.Post(target.Member, new Replicate((ushort)shard.Number, shard.HeldEpoch, target.Sent + 1, wire));
            target.Sent += (ulong)count;
        }
    }

    private void Apply(MapShard shard, ShardStaging? staging, in MapOp op, long now)
    {
        int partition = context.PartitionOf(op.Entry.H);
        if (staging is not null)
        {
            staging.Apply(partition - shard.FirstPartition, op, now);
            return;
        }

        shard.Partition(partition).Store.Apply(
            new LogOp(op.Kind, op.Entry.H, BackendRef.FromValue(op.Entry.Backend), MapContext.TouchOf(op.Entry, now)));
        shard.Applied++;
    }

    private void Complete(MapShard shard)
    {
        snapshots.PutInForce(shard);
        shard.Synced = true;
    }

    private void Unsync(MapShard shard, long now)
    {
        shard.Synced = false;
        EndPull(shard);
        shard.PullAt = now;
        context.MarkSoon(shard.Number);
    }

    private void Ack(MapShard shard, MemberId owner, ulong applied, bool resend) => context.Outbox.Post(
        owner, new ReplicateAck((ushort)shard.Number, shard.Seats!.Epoch, applied, resend, shard.Synced));

    private static ulong ValueOf(MapPartition partition)
    {
        Span<ulong> lanes = stackalloc ulong[16];
        partition.Store.Digest(lanes);
        ulong value = 0UL;
        foreach (ulong lane in lanes)
        {
            value ^= lane;
        }

        return value;
    }
}
