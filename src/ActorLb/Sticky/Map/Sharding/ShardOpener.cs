namespace ActorLb.Sticky.Map.Sharding;

/// <summary>The search for the newest copy of a shard that this node is opening.</summary>
internal sealed class ShardOpening(long started)
{
    public long Started { get; } = started;

    public Dictionary<MemberId, CopyAnswer> Answers { get; } = [];

    /// <summary>Members whose copy could not be fetched.</summary>
    public HashSet<MemberId> Failed { get; } = [];

    public long AskAt { get; set; } = long.MinValue / 2;
}

/// <summary>
/// Opens and closes shards: decides when this node may serve a shard, with which content and under which epoch. All methods are
/// called under the shard's lock unless stated otherwise.
/// </summary>
internal sealed class ShardOpener(MapContext context, ShardSeating seating, SnapshotTransfer snapshots, SessionReporting reporting)
{
    private const long AskMilliseconds = 50;

    /// <summary>How long to wait for members not known to hold a copy.</summary>
    private const long OthersMilliseconds = 400;

    /// <summary>How long to wait for reachable members that hold a copy or still own the shard.</summary>
    private const long HoldersMilliseconds = 2000;

    /// <summary>A transfer without progress for this long is given up in favour of another copy.</summary>
    private const long StuckMilliseconds = 1000;

    /// <summary>The shard's actor has started on this node.</summary>
    public void BeginOpen(MapShard shard, MapView view, long now)
    {
        if (shard.Phase == ShardPhase.Open)
        {
            context.Raise(MapEvent.Opened, shard.Number);
        }

        if (view.Members is null || shard.Phase != ShardPhase.Closed || shard.AwaitsStop)
        {
            return;
        }

        shard.Phase = ShardPhase.Opening;
        shard.Opening = new ShardOpening(now);
        shard.DropStaging();
        Look(shard, view, now);
        context.MarkSoon(shard.Number);
    }

    /// <summary>Continues the opening.</summary>
    public void Look(MapShard shard, MapView view, long now)
    {
        if (view.Members is not { } members || shard.Opening is not { } opening)
        {
            return;
        }

        if (HasNewest(shard, members))
        {
            Open(shard, view, now);
        }
        else if (shard.Staging is { } staging)
        {
            if (!members.CanReach(staging.From) || now - staging.At > StuckMilliseconds)
            {
                opening.Failed.Add(staging.From);
                shard.DropStaging();
            }
        }
        else if (IsAnswered(shard, opening, members, now))
        {
            Choose(shard, opening, view, now);
        }
        else if (now >= opening.AskAt)
        {
            opening.AskAt = now + AskMilliseconds;
            foreach (var member in members.All.Where(m => m.Id != members.Self && m.IsReachable))
            {
                if (!opening.Answers.TryGetValue(member.Id, out var answer) || answer.IsServing)
                {
                    context.Outbox.Post(member.Id, new CopyQuery((ushort)shard.Number, shard.Highest));
                }
            }
        }
    }

    public void OnCopyQuery(MapShard shard, MemberId from, CopyQuery message)
    {
        shard.Highest = Math.Max(shard.Highest, message.Epoch);
        context.Outbox.Post(from, new CopyAnswer(
            message.Shard, shard.Highest, shard.HeldEpoch, shard.Sequence, shard.Phase is ShardPhase.Open or ShardPhase.Sealing,
            shard.MustOffer));
    }

    public void OnCopyAnswer(MapShard shard, MemberId from, CopyAnswer message, MapView view, long now)
    {
        shard.Highest = Math.Max(shard.Highest, message.Epoch);
        if (shard.Opening is { } opening)
        {
            opening.Answers[from] = message;
            Look(shard, view, now);
        }
    }

    /// <summary>The snapshot for the opening is complete.</summary>
    public void OnSnapshot(MapShard shard, MapView view, long now)
    {
        var left = shard.MustOffer ? shard.Partitions.SelectMany(p => Read(p.Store.Table)).ToArray() : [];
        snapshots.PutInForce(shard);
        foreach (var entry in left)
        {
            AddMissing(shard.Partition(context.PartitionOf(entry.H)).Store, entry.H, entry.Backend, entry.Touch, now);
        }

        Open(shard, view, now);
    }

    /// <summary>The actor has stopped, or the node is no longer a member.</summary>
    public void Close(MapShard shard)
    {
        shard.AwaitsStop = false;
        if (shard.Phase == ShardPhase.Opening)
        {
            Abort(shard);
        }
        else if (shard.Phase != ShardPhase.Closed)
        {
            shard.Close(handedOver: false);
            context.Later.Set(shard.Number);
        }
    }

    /// <summary>Processes an announcement of a member. Takes the lock itself.</summary>
    /// <param name="isClaim">The sender is the owner and has the shard open.</param>
    /// <returns>This node's own knowledge, if newer.</returns>
    public ShardAnnouncement? OnAnnouncement(MapShard shard, ShardAnnouncement seats, bool isClaim, MapView view)
    {
        lock (shard.Gate)
        {
            shard.Highest = Math.Max(shard.Highest, seats.Epoch);
            if (shard.Phase is ShardPhase.Open or ShardPhase.Sealing && seats.Epoch > shard.HeldEpoch)
            {
                if (!isClaim)
                {
                    // No node claims the higher epoch, but some node follows it, so this ownership needs an even higher one.
                    Reopen(shard, view);
                    return null;
                }

                shard.Close(handedOver: false);
                shard.AwaitsStop = true;
                context.Raise(MapEvent.Deposed, shard.Number);
            }

            if (shard.Seats is { } known && !seats.IsNewerThan(known))
            {
                bool isKnownThere = view.Members?.Has(known.Owner) == true;
                if (!isClaim || isKnownThere)
                {
                    return isKnownThere && known.IsNewerThan(seats) ? known : null;
                }
            }

            if (!shard.Serves)
            {
                Adopt(shard, seats, isClaim, view);
            }

            return null;
        }
    }

    /// <summary>Adds an entry of another copy if the client has none.</summary>
    public static bool AddMissing(ShardStore store, ulong h, BackendRef backend, uint touch, long now) =>
        store.Peek(h, StickyClock.TicksAgo(now, 0)).IsNone && store.Learn(h, backend, touch, fellBack: false, StickyClock.TicksAgo(now, 0));

    private static bool HasNewest(MapShard shard, MapMembers members) =>
        shard.Synced && !shard.MustOffer && shard.HeldEpoch >= shard.Highest && shard.Seats is { } seats && seats.Epoch == shard.HeldEpoch
        && (shard.IsSealed || !members.Has(seats.Owner));

    private static bool IsAnswered(MapShard shard, ShardOpening opening, MapMembers members, long now)
    {
        long waited = now - opening.Started;
        if (waited >= HoldersMilliseconds)
        {
            return true;
        }

        foreach (var member in members.All)
        {
            if (member.Id == members.Self || !member.IsReachable)
            {
                continue;
            }

            bool isHolder = shard.Seats is { } seats && (seats.Owner == member.Id || seats.Seats(member.Id));
            if (!opening.Answers.TryGetValue(member.Id, out var answer) ? isHolder || waited < OthersMilliseconds : answer.IsServing)
            {
                return false;
            }
        }

        return true;
    }

    private void Choose(MapShard shard, ShardOpening opening, MapView view, long now)
    {
        // Content that will be offered anyway comes last, because other content would be lost; within an epoch the longest wins.
        var best = opening.Answers
            .Where(a => a.Value.HeldEpoch != 0 && !opening.Failed.Contains(a.Key) && view.Members!.CanReach(a.Key))
            .GroupBy(a => a.Value.HeldEpoch)
            .Select(g => (Epoch: g.Key, IsOffered: g.All(a => a.Value.IsOffered), Longest: g.MaxBy(a => a.Value.Sequence)))
            .OrderBy(g => g.IsOffered).ThenByDescending(g => g.Epoch).FirstOrDefault();
        bool ownIsBest = best.Epoch == 0 || (best.Epoch == shard.HeldEpoch
            ? shard.Applied >= best.Longest.Value.Sequence
            : shard.HeldEpoch != 0 && (best.IsOffered != shard.MustOffer ? best.IsOffered : shard.HeldEpoch > best.Epoch));
        if (ownIsBest)
        {
            Open(shard, view, now);
        }
        else
        {
            snapshots.Take(shard, best.Longest.Key, best.Epoch, now);
        }
    }

    private void Open(MapShard shard, MapView view, long now)
    {
        context.Counters.CountOpening(now - (shard.Opening?.Started ?? now));
        Renew(shard, view);
        shard.Phase = ShardPhase.Open;
        shard.Opening = null;
        shard.DropStaging();
        shard.Log.Begin();
        shard.MustOffer = false;
        shard.Synced = false;
        shard.IsSealed = false;
        seating.Decide(shard, view);
        reporting.OnOwnerChanged(shard, now);
        context.Raise(MapEvent.Opened, shard.Number);
        context.MarkSoon(shard.Number);
    }

    private void Reopen(MapShard shard, MapView view)
    {
        if (shard.Serves)
        {
            Renew(shard, view);
            shard.Replica = shard.Replica is { } replica ? new CopyTarget(replica.Member) : null;
            shard.Next = shard.Next is { } next ? new CopyTarget(next.Member) : null;
            seating.Decide(shard, view);
        }
    }

    private static void Renew(MapShard shard, MapView view)
    {
        shard.HeldEpoch = shard.Highest = ShardEpoch.Next(Math.Max(shard.Highest, shard.HeldEpoch), view.Members!.Self.Incarnation);
    }

    private void Abort(MapShard shard)
    {
        shard.DropStaging();
        shard.Phase = ShardPhase.Closed;
        shard.Opening = null;
        context.Later.Set(shard.Number);
    }

    /// <summary>Adopts what another node announced.</summary>
    private void Adopt(MapShard shard, ShardAnnouncement seats, bool isClaim, MapView view)
    {
        long now = context.Clock.Milliseconds;
        var old = shard.Seats;
        var self = view.Members!.Self;
        shard.Seats = seats;
        context.SeatsChanged.Set(shard.Number);
        if (old?.Epoch != seats.Epoch)
        {
            shard.Synced = false;
            shard.IsSealed = false;
            shard.Offering = default;
            shard.PullAt = now;
            reporting.OnOwnerChanged(shard, now);
            if (shard.Phase == ShardPhase.Closed)
            {
                shard.DropStaging();
            }
        }

        if (shard.Phase == ShardPhase.Closed && !seats.Seats(self))
        {
            shard.Synced = false;
            shard.DropStaging();
            if (!shard.MustOffer && seats.ReplicaIsComplete && isClaim)
            {
                shard.Forget();
            }
        }

        context.MarkSoon(shard.Number);
    }

    private static ShardEntry[] Read(ShardTable table)
    {
        var entries = new ShardEntry[table.Count];
        table.CopyTo(entries);
        return entries;
    }
}
