
namespace ActorLb.Sticky.Map.Sharding;

/// <summary>The search for the newest copy of a shard whose actor was started here.</summary>
internal sealed class ShardOpening(long started)
{
    public long Started { get; } = started;

    public Dictionary<PeerId, CopyAnswer> Answers { get; } = [];

    /// <summary>Those whose copy could not be had.</summary>
    public HashSet<PeerId> Failed { get; } = [];

    public long AskAt { get; set; } = long.MinValue / 2;
}

/// <summary>
/// Opens and closes shards: when this node may answer for one, with which content, and under which epoch. All methods are called under
/// the shard's lock unless said otherwise.
/// </summary>
internal sealed class ShardOpener(MapContext context, ShardSeating seating, SnapshotTransfer snapshots, SessionLearning learning)
{
    private const long AskMilliseconds = 50;

    /// <summary>Members that are known to hold nothing are waited for that long.</summary>
    private const long OthersMilliseconds = 400;

    /// <summary>Those that do hold a copy, or own the shard still, for that long while they are reachable.</summary>
    private const long HoldersMilliseconds = 2000;

    /// <summary>A copy that is being taken makes progress within that time, or another one is taken.</summary>
    private const long StuckMilliseconds = 1000;

    /// <summary>The actor of the shard was started here.</summary>
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

    /// <summary>The opener's turn.</summary>
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

    public void OnCopyQuery(MapShard shard, PeerId from, CopyQuery message)
    {
        shard.Highest = Math.Max(shard.Highest, message.Epoch);
        context.Outbox.Post(from, new CopyAnswer(
            message.Shard, shard.Highest, shard.HeldEpoch, shard.Sequence, shard.Phase is ShardPhase.Open or ShardPhase.Sealing,
            shard.MustOffer));
    }

    public void OnCopyAnswer(MapShard shard, PeerId from, CopyAnswer message, MapView view, long now)
    {
        shard.Highest = Math.Max(shard.Highest, message.Epoch);
        if (shard.Opening is { } opening)
        {
            opening.Answers[from] = message;
            Look(shard, view, now);
        }
    }

    /// <summary>A snapshot for the opener is whole.</summary>
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

    /// <summary>The actor stopped, or the node is in no fleet any more.</summary>
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

    /// <summary>A member says where a shard is. Takes the lock itself.</summary>
    /// <param name="isClaim">The owner itself says it, and has it open.</param>
    /// <returns>What this node knows, when that is newer.</returns>
    public ShardAnnouncement? Hear(MapShard shard, ShardAnnouncement seats, bool isClaim, MapView view)
    {
        lock (shard.Gate)
        {
            shard.Highest = Math.Max(shard.Highest, seats.Epoch);
            if (shard.Phase is ShardPhase.Open or ShardPhase.Sealing && seats.Epoch > shard.HeldEpoch)
            {
                if (!isClaim)
                {
                    // Nobody claims that epoch, but some node goes by it: this ownership has to be the newer.
                    Reopen(shard, view);
                    return null;
                }

                shard.Close(handedOver: false);
                shard.AwaitsStop = true;
                context.Raise(MapEvent.Deposed, shard.Number);
            }

            if (shard.Seats is { } known && !seats.IsNewerThan(known))
            {
                var isKnownThere = view.Members?.Has(known.Owner) == true;
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

    /// <summary>An entry of another copy, added where there is none.</summary>
    public static bool AddMissing(ShardStore store, ulong h, BackendRef backend, uint touch, long now) =>
        store.Peek(h, StickyClock.TicksAgo(now, 0)).IsNone && store.Learn(h, backend, touch, fellBack: false, StickyClock.TicksAgo(now, 0));

    private static bool HasNewest(MapShard shard, MapMembers members) =>
        shard.Synced && !shard.MustOffer && shard.HeldEpoch >= shard.Highest && shard.Seats is { } seats && seats.Epoch == shard.HeldEpoch
        && (shard.IsSealed || !members.Has(seats.Owner));

    private static bool IsAnswered(MapShard shard, ShardOpening opening, MapMembers members, long now)
    {
        var waited = now - opening.Started;
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

            var isHolder = shard.Seats is { } seats && (seats.Owner == member.Id || seats.Seats(member.Id));
            if (!opening.Answers.TryGetValue(member.Id, out var answer) ? isHolder || waited < OthersMilliseconds : answer.IsServing)
            {
                return false;
            }
        }

        return true;
    }

    private void Choose(MapShard shard, ShardOpening opening, MapView view, long now)
    {
        // What will be offered anyway goes behind what would be lost; of one epoch the longer.
        var best = opening.Answers
            .Where(a => a.Value.HeldEpoch != 0 && !opening.Failed.Contains(a.Key) && view.Members!.CanReach(a.Key))
            .GroupBy(a => a.Value.HeldEpoch)
            .Select(g => (Epoch: g.Key, IsOffered: g.All(a => a.Value.IsOffered), Longest: g.MaxBy(a => a.Value.Sequence)))
            .OrderBy(g => g.IsOffered).ThenByDescending(g => g.Epoch).FirstOrDefault();
        var ownIsBest = best.Epoch == 0 || (best.Epoch == shard.HeldEpoch
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
        learning.OnOwnerChanged(shard, now);
        context.Raise(MapEvent.Opened, shard.Number);
        context.MarkSoon(shard.Number);
    }

    private void Reopen(MapShard shard, MapView view)
    {
        if (shard.Serves)
        {
            Renew(shard, view);
            shard.Replica = shard.Replica is { } replica ? new CopyTarget(replica.Peer) : null;
            shard.Next = shard.Next is { } next ? new CopyTarget(next.Peer) : null;
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

    /// <summary>Goes by what another node announced.</summary>
    private void Adopt(MapShard shard, ShardAnnouncement seats, bool isClaim, MapView view)
    {
        var now = context.Clock.Milliseconds;
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
            learning.OnOwnerChanged(shard, now);
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
