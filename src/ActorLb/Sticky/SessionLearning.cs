using System.Buffers;
using System.Runtime.InteropServices;
using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Sticky;

/// <summary>
/// Tells owners what lives here. A shard's live sessions go to its owner whenever the owner changed or a lookup was not answered by
/// it, again and again until the owner confirms; ends and signs of life go once. So a map that lost everything is rebuilt from the connections.
/// All methods are called under the shard's lock.
/// </summary>
internal sealed class SessionLearning(RegionContext context)
{
    private const long RetryMilliseconds = 300;

    [ThreadStatic]
    private static byte[]? _frame;

    private int _sessions;

    private static Span<byte> Frame => _frame ??= new byte[PeerEntries.SizeOf(PeerEntries.MaxEntries)];

    public uint Open(RegionShard shard, ulong h, BackendRef backend, StickyOutcome outcome, long now)
    {
        var number = (uint)Interlocked.Increment(ref _sessions);
        var live = shard.Live ??= [];
        var fellBack = outcome is StickyOutcome.Fallback or StickyOutcome.Hedge;
        live[h] = new LiveSession(backend, number, now, fellBack && !shard.Serves);
        if (fellBack && shard.Serves)
        {
            Learn(shard, h, backend, StickyClock.TicksAgo(now, 0), fellBack: true, now);
            context.MarkSoon(shard.Number);
        }
        else if (fellBack)
        {
            // A replica that was cut off from its owner may have told an old broker: the owner has to hear of that, too, but without
            // haste; while an owner is slow there are many of these.
            shard.LearnVersion++;
            shard.LearnAt = outcome == StickyOutcome.Fallback ? now : Math.Max(shard.LearnAt, now + RetryMilliseconds);
            context.MarkSoon(shard.Number);
        }

        shard.Store.Accept(h, backend, StickyClock.TicksAgo(now, 0), add: shard.Serves);
        return number;
    }

    /// <summary>A session was not accepted. Where it had moved a client that is connected still, that one's entry comes back.</summary>
    public void Abandon(RegionShard shard, ulong h, BackendRef backend, long now)
    {
        if (shard.Store.TakeBack(h, backend) && shard.Live is { } live && live.TryGetValue(h, out var held))
        {
            shard.Store.Accept(h, held.Backend, StickyClock.TicksAgo(now, now - held.Opened), add: true);
        }
    }

    public void Close(RegionShard shard, ulong h, BackendRef backend, uint session, long now)
    {
        if (shard.Live is { } live && live.TryGetValue(h, out var held) && held.Number == session)
        {
            live.Remove(h);
            shard.Store.Leave(h, backend);
        }

        if (shard.Serves)
        {
            shard.Store.Refresh(h, backend, StickyClock.TicksAgo(now, 0));
            context.Later.Set(shard.Number);
            return;
        }

        // Past the bound the entry's life counts from the last sign of life instead: at most a third less.
        if ((shard.Ended ??= []).Count < PeerEntries.MaxEntries)
        {
            shard.Ended.Add((h, backend, now));
            context.Later.Set(shard.Number);
        }
    }

    /// <summary>
    /// The owner answered a question that was given up meanwhile: with that it dated the entry later than the session which went
    /// without its word. The session lives, so it is the newer.
    /// </summary>
    public void OnLateReply(RegionShard shard, long now)
    {
        var any = false;
        foreach (var h in shard.Live?.Keys.ToArray() ?? [])
        {
            ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(shard.Live!, h);
            if (session.FellBack)
            {
                session = session with { Opened = now };
                any = true;
            }
        }

        if (any)
        {
            shard.LearnVersion++;
            shard.LearnAt = now;
            context.MarkSoon(shard.Number);
        }
    }

    /// <summary>Sends what the owner has not confirmed. Returns whether something remains.</summary>
    public bool Tell(RegionShard shard, RegionView view, long now)
    {
        TellEnds(shard, view, now);
        if (shard.LearnVersion == shard.Learned)
        {
            return false;
        }

        if (shard.Live is not { Count: > 0 } live)
        {
            shard.Learned = shard.LearnVersion;
            return false;
        }

        if (shard.Serves)
        {
            foreach (var (h, session) in live)
            {
                Learn(shard, h, session.Backend, StickyClock.TicksAgo(now, now - session.Opened), session.FellBack, now);
                shard.Store.Accept(h, session.Backend, StickyClock.TicksAgo(now, 0), add: false);
            }

            Confirm(shard, shard.LearnVersion);
            return false;
        }

        if (now >= shard.LearnAt && view.Peer(shard.Owner) is { } owner)
        {
            shard.LearnAt = now + RetryMilliseconds;
            Send(PeerFrameType.Learn, shard, owner.Link, now);
        }

        return true;
    }

    /// <summary>Signs of life for every session here, so that no entry of a live connection expires.</summary>
    public void TouchAll(RegionShard shard, RegionView view, long now)
    {
        shard.LiveTouchAt = now + (context.Rules.TtlTicks * (long)StickyClock.TickMilliseconds / 3);
        if (shard.Live is not { Count: > 0 } live)
        {
            return;
        }

        if (!shard.Serves)
        {
            if (view.Peer(shard.Owner) is { } owner)
            {
                Send(PeerFrameType.Touch, shard, owner.Link, now);
            }

            return;
        }

        foreach (var (h, session) in live)
        {
            shard.Store.Refresh(h, session.Backend, StickyClock.TicksAgo(now, 0));
        }
    }

    public void OnLearn(RegionShard shard, IPeerLink link, in PeerFrameHeader header, in PeerEntries entries, long now)
    {
        var status = header.Epoch != shard.Epoch ? PeerStatus.StaleEpoch
            : shard.Role != ShardRole.Owner ? PeerStatus.WrongOwner
            : !shard.Serves ? PeerStatus.NotReady : PeerStatus.Ok;
        if (status == PeerStatus.Ok)
        {
            for (var i = 0; i < entries.Count; i++)
            {
                var entry = entries[i];
                if (context.ShardOf(entry.H) == shard.Number)
                {
                    Learn(
                        shard, entry.H, BackendRef.FromValue(entry.Backend), StickyClock.TicksAgo(now, entry.AgeMilliseconds),
                        entry.IsMarked, now);
                }
            }

            context.MarkSoon(shard.Number);
        }

        Span<byte> frame = stackalloc byte[PeerReply.FrameSize];
        new PeerReply(status, 0, 0).Write(
            frame, new PeerFrameHeader(PeerFrameType.Reply, (byte)PeerCallFlags.Learn, (ushort)shard.Number, header.RequestId, shard.Epoch));
        link.Send(frame, PeerLane.Calls);
    }

    public void OnLearnReply(RegionShard shard, in PeerFrameHeader header, in PeerReply reply)
    {
        if (reply.Status == PeerStatus.Ok && header.Epoch == shard.Epoch)
        {
            Confirm(shard, header.RequestId);
        }
    }

    public void OnTouch(RegionShard shard, in PeerFrameHeader header, in PeerEntries entries, long now)
    {
        if (header.Epoch != shard.Epoch || !shard.Serves)
        {
            return;
        }

        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i];
            if (context.ShardOf(entry.H) == shard.Number)
            {
                shard.Store.Refresh(entry.H, BackendRef.FromValue(entry.Backend), StickyClock.TicksAgo(now, entry.AgeMilliseconds));
            }
        }

        context.Later.Set(shard.Number);
    }

    private void Learn(RegionShard shard, ulong h, BackendRef backend, uint opened, bool fellBack, long now)
    {
        if (shard.Store.Learn(h, backend, opened, fellBack, StickyClock.TicksAgo(now, 0)))
        {
            context.Counters.CountLearned();
            context.Answered?.Invoke(PeerFrameType.Learn, h, shard.Epoch, new LookupResult(LookupStatus.Assigned, backend));
        }
    }

    private static void Confirm(RegionShard shard, uint version)
    {
        if (version != shard.LearnVersion)
        {
            return;
        }

        shard.Learned = version;
        foreach (var h in shard.Live?.Keys.ToArray() ?? [])
        {
            ref var session = ref CollectionsMarshal.GetValueRefOrNullRef(shard.Live!, h);
            session = session with { FellBack = false };
        }
    }

    private void TellEnds(RegionShard shard, RegionView view, long now)
    {
        if (shard.Ended is not { Count: > 0 } ended)
        {
            return;
        }

        if (shard.Serves)
        {
            foreach (var (h, backend, at) in ended)
            {
                shard.Store.Refresh(h, backend, StickyClock.TicksAgo(now, now - at));
            }
        }
        else if (view.Peer(shard.Owner) is { } owner)
        {
            var wire = ArrayPool<PeerEntry>.Shared.Rent(ended.Count);
            for (var i = 0; i < ended.Count; i++)
            {
                wire[i] = new PeerEntry(ended[i].H, ended[i].Backend.Value, PeerEntry.AgeOf(now - ended[i].At, marked: false));
            }

            var n = PeerEntries.Write(Frame, Header(PeerFrameType.Touch, shard), wire.AsSpan(0, ended.Count));
            owner.Link.Send(Frame[..n], PeerLane.Calls);
            ArrayPool<PeerEntry>.Shared.Return(wire);
        }

        ended.Clear();
    }

    /// <summary>
    /// More sessions than a frame holds go in several; the frames of a lane keep their order, so confirming the last confirms all.
    /// </summary>
    private void Send(PeerFrameType type, RegionShard shard, IPeerLink link, long now)
    {
        var live = shard.Live!;
        var wire = ArrayPool<PeerEntry>.Shared.Rent(Math.Min(live.Count, PeerEntries.MaxEntries));
        var count = 0;
        var left = live.Count;
        var learn = type == PeerFrameType.Learn;
        foreach (var (h, session) in live)
        {
            wire[count++] = new PeerEntry(
                h, session.Backend.Value, PeerEntry.AgeOf(learn ? now - session.Opened : 0, learn && session.FellBack));
            left--;
            if (count == PeerEntries.MaxEntries || left == 0)
            {
                var header = Header(type, shard) with { RequestId = left == 0 ? shard.LearnVersion : shard.LearnVersion - 1 };
                var n = PeerEntries.Write(Frame, header, wire.AsSpan(0, count));
                if (!link.Send(Frame[..n], PeerLane.Calls))
                {
                    break;
                }

                count = 0;
            }
        }

        ArrayPool<PeerEntry>.Shared.Return(wire);
    }

    private static PeerFrameHeader Header(PeerFrameType type, RegionShard shard) => new(type, 0, (ushort)shard.Number, 0, shard.Epoch);
}
