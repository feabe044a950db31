using System.Buffers;
using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Sticky;

/// <summary>
/// Keeps copies equal to their owner: the owner streams its log and answers requests for snapshots, the copy confirms, and asks anew
/// when it missed something. A frame counts only under the receiver's own epoch and from the owner that its table names, so nothing
/// of a former owner ever overwrites. All methods are called under the shard's lock unless said otherwise.
/// </summary>
internal sealed class ShardCopying(RegionContext context)
{
    private const int BatchOps = PeerReplicate.MaxOps;
    private const long ResendMilliseconds = 200;
    private const long PullRetryMilliseconds = 500;

    /// <summary>An owner's hint and a question to it may cross for that long.</summary>
    private const long CrossingMilliseconds = 20;

    /// <summary>Snapshots asked for at once: a node that joins does not drown in them.</summary>
    private const int MaxPulls = 64;

    [ThreadStatic]
    private static byte[]? _frame;

    private int _pulls;

    private static Span<byte> Frame => _frame ??= new byte[PeerChunk.MaxSize];

    /// <summary>The owner's turn: sends what its copies lack. Returns whether something remains to be watched.</summary>
    public bool ServeCopies(RegionShard shard, RegionView view, long now)
    {
        var log = shard.Store.Log;
        var pending = Stream(shard, shard.ReplicaTarget, view, now) | Stream(shard, shard.NextTarget, view, now);
        var least = log.Last;
        var streams = false;
        foreach (var target in (ReadOnlySpan<CopyTarget?>)[shard.ReplicaTarget, shard.NextTarget])
        {
            if (target is { Streams: true })
            {
                streams = true;
                least = Math.Min(least, target.Acked);
            }
        }

        log.Keeps = streams;
        log.Trim(least);
        return pending;
    }

    /// <summary>The former owner's turn: sends the last changes and the seal until the heir confirms. Returns whether it still waits.</summary>
    public bool ServeSeal(RegionShard shard, RegionView view, long now)
    {
        var seal = shard.Seal!;
        var link = view.Peer(seal.To.Incarnation)?.Link;
        if (now > seal.Until || link is null)
        {
            EndSeal(shard);
            return false;
        }

        if (now - seal.SentAt < 20)
        {
            return true;
        }

        seal.SentAt = now;
        SendOps(shard, link, seal.Sent, seal.Final, now);
        var n = new PeerMark(context.Self.Incarnation, seal.Final).Write(Frame, Header(PeerFrameType.Seal, shard));
        link.Send(Frame[..n], PeerLane.Calls);
        return true;
    }

    /// <summary>The copy's turn: asks for a snapshot when it has none. Returns whether it still waits for one.</summary>
    public bool Pull(RegionShard shard, RegionView view, long now)
    {
        if (shard.Synced || shard.Source == 0)
        {
            return false;
        }

        if (now < shard.PullAt || view.Peer(shard.Source) is not { } owner)
        {
            return true;
        }

        if (!shard.Pulling)
        {
            if (Volatile.Read(ref _pulls) >= MaxPulls)
            {
                return true;
            }

            Interlocked.Increment(ref _pulls);
            shard.Pulling = true;
        }

        shard.PullAt = now + PullRetryMilliseconds;
        var n = new PeerMark(shard.Source, shard.Applied).Write(Frame, Header(PeerFrameType.SnapshotRequest, shard));
        owner.Link.Send(Frame[..n], PeerLane.Calls);
        return true;
    }

    /// <summary>A shard changed hands: what it was pulling no longer counts.</summary>
    public void OnAdopted(bool wasPulling, RegionShard shard)
    {
        if (wasPulling && !shard.Pulling)
        {
            Interlocked.Decrement(ref _pulls);
        }
    }

    public void OnReplicate(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerReplicate replicate, long now)
    {
        var follows = shard.IsCopy || shard.AwaitsSeal;
        if (header.Epoch != shard.Epoch || !follows || shard.Source != replicate.Owner || link.Peer.Incarnation != replicate.Owner)
        {
            return;
        }

        if (((PeerCopyFlags)header.Flags & PeerCopyFlags.Reset) != PeerCopyFlags.None)
        {
            if (shard.IsCopy && shard.Synced && replicate.First > shard.Applied + 1)
            {
                Unsync(shard, now);
            }
            else if (shard.Synced)
            {
                Ack(shard, link, PeerCopyFlags.Resend);
            }
            else if (shard.Staging is null)
            {
                // The owner has the table now. What was asked of it before was in vain, unless the two have crossed just now.
                shard.PullAt = Math.Min(shard.PullAt, Math.Max(now, shard.PullAt - PullRetryMilliseconds + CrossingMilliseconds));
                context.MarkSoon(shard.Number);
            }

            return;
        }

        if (!shard.Synced)
        {
            return;
        }

        if (replicate.First > shard.Applied + 1)
        {
            Ack(shard, link, PeerCopyFlags.Resend);
            return;
        }

        for (var i = (int)Math.Min((ulong)replicate.Count, shard.Applied + 1 - replicate.First); i < replicate.Count; i++)
        {
            var op = replicate[i];
            shard.Store.Apply(new LogOp(
                op.Op == PeerOp.Put ? LogOpKind.Put : LogOpKind.Remove, op.Entry.H, BackendRef.FromValue(op.Entry.Backend),
                TouchOf(op.Entry, now)));
            shard.Applied++;
        }

        Ack(shard, link, PeerCopyFlags.None);
    }

    public void OnAck(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerMark mark, long now)
    {
        if (header.Epoch != shard.Epoch || mark.Owner != context.Self.Incarnation)
        {
            return;
        }

        var resend = ((PeerCopyFlags)header.Flags & PeerCopyFlags.Resend) != PeerCopyFlags.None;
        if (shard.Seal is { } seal && seal.To == link.Peer)
        {
            if (mark.Sequence >= seal.Final)
            {
                context.Counters.CountHandOff();
                EndSeal(shard);
            }
            else if (resend)
            {
                seal.Sent = mark.Sequence;
                seal.SentAt = now - 20;
                context.MarkSoon(shard.Number);
            }
        }

        if (shard.Serves && shard.TargetOf(link.Peer) is { } target && mark.Sequence <= shard.Store.Log.Last)
        {
            target.Acked = Math.Max(target.Acked, mark.Sequence);
            if (resend)
            {
                // Also the way back for a copy that was given up but turns out to need only what is still held.
                target.Sent = mark.Sequence;
                target.Streams = mark.Sequence + 1 >= shard.Store.Log.First;
                context.MarkSoon(shard.Number);
            }
        }
    }

    /// <summary>Takes the lock itself: the copy is made under it, the sending is not.</summary>
    public void OnSnapshotRequest(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerMark mark, long now)
    {
        ShardEntry[] entries;
        int count;
        ulong sequence;
        PeerFrameHeader reply;
        lock (shard.Gate)
        {
            if (header.Epoch != shard.Epoch || !shard.Serves || mark.Owner != context.Self.Incarnation
                || shard.TargetOf(link.Peer) is not { } target)
            {
                return;
            }

            entries = ArrayPool<ShardEntry>.Shared.Rent(Math.Max(1, shard.Store.Table.Count));
            count = shard.Store.Table.CopyTo(entries);
            sequence = shard.Store.Log.Last;
            target.Streams = true;
            target.Sent = sequence;
            target.Acked = sequence;
            target.SentAt = now;
            shard.Store.Log.Keeps = true;
            reply = Header(PeerFrameType.Chunk, shard);
        }

        SendChunks(link, reply, entries.AsSpan(0, count), sequence, now);
        ArrayPool<ShardEntry>.Shared.Return(entries);
    }

    public void OnChunk(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerChunk chunk, long now)
    {
        if (header.Epoch != shard.Epoch || !shard.IsCopy || shard.Synced || shard.Source != chunk.Owner
            || link.Peer.Incarnation != chunk.Owner)
        {
            return;
        }

        if (chunk.Offset == 0)
        {
            shard.DropStaging();
            shard.Staging = new ShardTable(context.Settings.ShardBits);
            shard.Staging.EnsureRoom((int)Math.Min(chunk.Total, 1 << 20));
            shard.StagingSequence = chunk.Sequence;
        }

        if (shard.Staging is not { } staging || shard.StagingSequence != chunk.Sequence || staging.Count != chunk.Offset)
        {
            // Of another snapshot, or a piece is missing: the next request brings a whole one.
            return;
        }

        for (var i = 0; i < chunk.Count; i++)
        {
            var entry = chunk[i];
            staging.Set(entry.H, BackendRef.FromValue(entry.Backend), TouchOf(entry, now));
        }

        shard.PullAt = now + PullRetryMilliseconds;
        if (staging.Count == chunk.Total)
        {
            shard.Staging = null;
            shard.Store.Replace(staging);
            shard.Applied = chunk.Sequence;
            shard.Synced = true;
            EndPull(shard);
            context.Counters.CountSnapshot();
            context.ChangeCopies();
            Ack(shard, link, PeerCopyFlags.Resend);
        }
    }

    public void OnSeal(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerMark mark)
    {
        if (header.Epoch != shard.Epoch || shard.Role != ShardRole.Owner)
        {
            return;
        }

        if (shard.AwaitsSeal && shard.Source == mark.Owner && link.Peer.Incarnation == mark.Owner)
        {
            if (!shard.Synced || shard.Applied < mark.Sequence)
            {
                Ack(shard, link, PeerCopyFlags.Resend);
                return;
            }

            context.Counters.CountHandOff();
            shard.Serve();
            context.MarkSoon(shard.Number);
        }

        var n = mark.Write(Frame, Header(PeerFrameType.Ack, shard));
        link.Send(Frame[..n], PeerLane.Calls);
    }

    /// <summary>Tells the copies what the owner has, when nothing is under way to them.</summary>
    public void SendDigests(RegionShard shard, RegionView view)
    {
        Span<ulong> lanes = stackalloc ulong[PeerDigest.Lanes];
        var computed = false;
        foreach (var target in (ReadOnlySpan<CopyTarget?>)[shard.ReplicaTarget, shard.NextTarget])
        {
            if (target is not { Streams: true } || target.Acked != shard.Store.Log.Last || view.Peer(target.Peer.Incarnation) is not { } peer)
            {
                continue;
            }

            if (!computed)
            {
                shard.Store.Digest(lanes);
                computed = true;
            }

            var n = PeerDigest.Write(
                Frame, Header(PeerFrameType.Digest, shard), context.Self.Incarnation, shard.Store.Log.Last, (uint)shard.Store.Table.Count, lanes);
            peer.Link.Send(Frame[..n], PeerLane.Calls);
        }
    }

    public void OnDigest(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerDigest digest, long now)
    {
        if (header.Epoch != shard.Epoch || !shard.IsCopy || !shard.Synced || shard.Source != digest.Owner
            || link.Peer.Incarnation != digest.Owner || shard.Applied != digest.Sequence)
        {
            return;
        }

        Span<ulong> lanes = stackalloc ulong[PeerDigest.Lanes];
        shard.Store.Digest(lanes);
        var same = digest.Count == shard.Store.Table.Count;
        for (var i = 0; i < lanes.Length; i++)
        {
            same &= lanes[i] == digest[i];
        }

        if (!same)
        {
            context.Counters.CountDigestMismatch();
            Unsync(shard, now);
        }
    }

    private bool Stream(RegionShard shard, CopyTarget? target, RegionView view, long now)
    {
        if (target is null)
        {
            return false;
        }

        var log = shard.Store.Log;
        var link = view.Peer(target.Peer.Incarnation)?.Link;
        if (target.Streams && target.Sent > target.Acked && now - target.SentAt > ResendMilliseconds)
        {
            target.Sent = target.Acked;
        }

        if (target.Streams && target.Sent + 1 < log.First && target.Sent < log.Last)
        {
            target.Streams = false;
            context.Counters.CountLogOverflow();
        }

        if (link is null || !target.Streams)
        {
            if (link is not null && now - target.HintAt >= ResendMilliseconds)
            {
                target.HintAt = now;
                var n = PeerReplicate.Write(
                    Frame, Header(PeerFrameType.Replicate, shard) with { Flags = (byte)PeerCopyFlags.Reset },
                    context.Self.Incarnation, log.Last + 1, default);
                link.Send(Frame[..n], PeerLane.Calls);
            }

            return true;
        }

        if (target.Sent < log.Last)
        {
            target.Sent = SendOps(shard, link, target.Sent, log.Last, now);
            target.SentAt = now;
        }

        return target.Acked < log.Last;
    }

    /// <summary>Sends changes after a number; returns the number of the last one that went out.</summary>
    private ulong SendOps(RegionShard shard, IPeerLink link, ulong after, ulong through, long now)
    {
        Span<LogOp> ops = stackalloc LogOp[BatchOps];
        Span<PeerOp> wire = stackalloc PeerOp[BatchOps];
        while (after < through)
        {
            var count = shard.Store.Log.Read(after + 1, ops);
            if (count <= 0)
            {
                break;
            }

            for (var i = 0; i < count; i++)
            {
                var op = ops[i];
                var age = PeerEntry.AgeOf(
                    StickyClock.Age(now, op.Touch & ~ShardEntry.RefreshedBit), (op.Touch & ShardEntry.RefreshedBit) != 0);
                wire[i] = new PeerOp((byte)op.Kind, new PeerEntry(op.H, op.Backend.Value, age));
            }

            var n = PeerReplicate.Write(
                Frame, Header(PeerFrameType.Replicate, shard), context.Self.Incarnation, after + 1, wire[..count]);
            if (!link.Send(Frame[..n], PeerLane.Calls))
            {
                break;
            }

            after += (ulong)count;
        }

        return after;
    }

    private void SendChunks(IPeerLink link, in PeerFrameHeader header, ReadOnlySpan<ShardEntry> entries, ulong sequence, long now)
    {
        var wire = ArrayPool<PeerEntry>.Shared.Rent(PeerChunk.MaxEntries);
        var offset = 0;
        do
        {
            var count = Math.Min(PeerChunk.MaxEntries, entries.Length - offset);
            for (var i = 0; i < count; i++)
            {
                ref readonly var entry = ref entries[offset + i];
                wire[i] = new PeerEntry(
                    entry.H, entry.Backend.Value, PeerEntry.AgeOf(StickyClock.Age(now, entry.Ticks), entry.IsRefreshed));
            }

            var n = PeerChunk.Write(
                Frame, header, context.Self.Incarnation, sequence, (uint)entries.Length, (uint)offset, wire.AsSpan(0, count));
            if (!link.Send(Frame[..n], PeerLane.Bulk))
            {
                break;
            }

            offset += count;
        }
        while (offset < entries.Length);

        ArrayPool<PeerEntry>.Shared.Return(wire);
    }

    private void EndSeal(RegionShard shard)
    {
        shard.Seal = null;
        if (shard.Role == ShardRole.None)
        {
            shard.ForgetEntries();
        }
    }

    private void Unsync(RegionShard shard, long now)
    {
        shard.Synced = false;
        shard.PullAt = now;
        context.MarkSoon(shard.Number);
    }

    private void EndPull(RegionShard shard)
    {
        if (shard.Pulling)
        {
            shard.Pulling = false;
            Interlocked.Decrement(ref _pulls);
        }
    }

    private void Ack(RegionShard shard, IPeerLink link, PeerCopyFlags flags)
    {
        var n = new PeerMark(shard.Source, shard.Applied).Write(Frame, Header(PeerFrameType.Ack, shard) with { Flags = (byte)flags });
        link.Send(Frame[..n], PeerLane.Calls);
    }

    private static PeerFrameHeader Header(PeerFrameType type, RegionShard shard) => new(type, 0, (ushort)shard.Number, 0, shard.Epoch);

    private static uint TouchOf(in PeerEntry entry, long now) =>
        StickyClock.TicksAgo(now, entry.AgeMilliseconds) | (entry.IsMarked ? ShardEntry.RefreshedBit : 0);
}
