
namespace ActorLb.Sticky.Map.Sharding;

/// <summary>What <see cref="Placement"/> says for the members of one moment.</summary>
/// <param name="Owners">By shard.</param>
/// <param name="Replicas">By shard, if this node owns it. While somebody is unreachable, of the others.</param>
/// <param name="MayMove">Everybody is reachable: a copy may be moved.</param>
internal sealed record ShardWishes(PeerId?[] Owners, PeerId?[] Replicas, bool MayMove)
{
    public static readonly ShardWishes None = new([], [], false);

    public static ShardWishes Of(MapMembers members, int shards) => new(
        Placement.Owners(members, shards), Placement.Replicas(members.Reachable(), members.Self, shards), members.AreAllReachable);
}

/// <summary>
/// The owner's choice of who keeps copies, one step at a time: a copy is never given up before another one is complete. Losses are
/// repaired at once; everything else waits while a member is unreachable. Called under the shard's lock.
/// </summary>
internal sealed class ShardSeating(MapContext context)
{
    /// <summary>After an opening, a change of members, or when a copy became complete or incomplete.</summary>
    public void Decide(MapShard shard, MapView view)
    {
        if (view.Members is not { } members || !shard.Serves)
        {
            return;
        }

        var wishedReplica = view.Wishes.Replicas[shard.Number];
        shard.Replica = members.Has(shard.Replica?.Peer) ? shard.Replica : null;
        shard.Next = members.Has(shard.Next?.Peer) ? shard.Next : null;
        if (shard.Replica is null && shard.Next is { } heir)
        {
            (shard.Replica, shard.Next) = (heir, null);
        }

        shard.Replica ??= wishedReplica is { } first ? new CopyTarget(first) : null;
        if (view.Wishes.MayMove)
        {
            Move(shard, members.Self, view.Wishes.Owners[shard.Number], wishedReplica);
        }

        Publish(shard, members.Self);
    }

    private static void Move(MapShard shard, PeerId self, PeerId? wishedOwner, PeerId? wishedReplica)
    {
        if (wishedReplica is null)
        {
            // Only this node stays: nobody can take over from a replica that leaves.
            shard.Replica = null;
        }
        else if (shard.Replica is { IsComplete: false } && shard.Replica.Peer != wishedReplica && shard.Next?.Peer != wishedReplica)
        {
            shard.Replica = new CopyTarget(wishedReplica.Value);
        }

        if (shard.Next is { } next)
        {
            if (next.Peer != wishedOwner && next.Peer != wishedReplica)
            {
                shard.Next = null;
            }
            else if (next.Peer == wishedReplica && next.IsComplete)
            {
                (shard.Replica, shard.Next) = (next, null);
            }
        }

        if (shard.Next is null)
        {
            var coming = wishedOwner is not null && wishedOwner != self && wishedOwner != shard.Replica?.Peer ? wishedOwner
                : wishedReplica is not null && wishedReplica != shard.Replica?.Peer ? wishedReplica : null;
            shard.Next = coming is { } id ? new CopyTarget(id) : null;
        }
    }

    /// <summary>The seats as they are now, when they differ from what was announced.</summary>
    private void Publish(MapShard shard, PeerId self)
    {
        var old = shard.Seats;
        var seats = new ShardAnnouncement(
            shard.Number, shard.HeldEpoch, old?.Epoch == shard.HeldEpoch ? old.Version : 0, self,
            shard.Replica?.Peer, shard.Replica?.IsComplete == true, shard.Next?.Peer, shard.Next?.IsComplete == true);
        if (seats == old)
        {
            return;
        }

        shard.Seats = seats with { Version = seats.Version + 1 };
        context.SeatsChanged.Set(shard.Number);
        context.ToAnnounce.Set(shard.Number);
        context.MarkSoon(shard.Number);
    }
}

/// <summary>Tells the members who has what, and hears it from them. Takes the shards' locks itself.</summary>
internal sealed class ShardAnnouncing(MapContext context, MapShard[] shards, ShardOpener opener)
{
    /// <summary>Each member hears all of this node's shards again that often, in case a message was lost.</summary>
    private const long RepeatMilliseconds = 1000;

    private long _repeatAt;
    private int _repeatTo;

    /// <summary>The clock's turn: what changed goes to everybody in one message each.</summary>
    public void Tick(MapView view, long now)
    {
        List<ShardAnnouncement>? changed = null;
        for (var word = 0; word < context.ToAnnounce.Words; word++)
        {
            for (var taken = context.ToAnnounce.Take(word); taken != 0;)
            {
                if (Own(shards[MapBits.Next(ref taken, word)]) is { } seats)
                {
                    (changed ??= []).Add(seats);
                }
            }
        }

        if (view.Members is not { } members)
        {
            return;
        }

        if (changed is not null)
        {
            var message = Pack(changed);
            foreach (var member in members.All.Where(m => m.Id != members.Self && m.IsReachable))
            {
                context.Transport.Send(member.Id, message);
            }
        }

        if (now - _repeatAt >= RepeatMilliseconds)
        {
            _repeatAt = now;
            var others = members.All.Where(m => m.Id != members.Self && m.IsReachable).ToArray();
            if (others.Length > 0)
            {
                Send(others[_repeatTo++ % others.Length].Id, all: false);
            }
        }
    }

    /// <summary>What this node owns; if everything is wanted, also what it knows of the others.</summary>
    public void Send(PeerId to, bool all)
    {
        var list = new List<ShardAnnouncement>();
        foreach (var shard in shards)
        {
            var seats = Own(shard);
            if (seats is null && all)
            {
                lock (shard.Gate)
                {
                    seats = shard.Seats is { } known && Relays(known) ? known : null;
                }
            }

            if (seats is not null)
            {
                list.Add(seats);
            }
        }

        if (list.Count > 0)
        {
            context.Transport.Send(to, Pack(list));
        }
    }

    /// <summary>The sender spoke of a shard under another epoch than this node knows: the one that is behind hears of the newer.</summary>
    public void Reconcile(PeerId from, MapShard shard, ulong epoch)
    {
        var view = context.View;
        if (view.Peer(from) is not { } peer)
        {
            return;
        }

        ShardAnnouncement? newer;
        lock (shard.Gate)
        {
            shard.Highest = Math.Max(shard.Highest, epoch);
            newer = shard.Seats is { } known && known.Epoch > epoch && view.Members?.Has(known.Owner) == true ? known : null;
            if (newer is null && shard.Seats?.Epoch >= epoch)
            {
                return;
            }
        }

        if (newer is null && peer.MayRequest(context.Clock.Milliseconds))
        {
            context.Transport.Send(from, new AnnouncementsRequest());
        }
        else if (newer is not null && peer.MayCorrect(newer.Epoch, context.Clock.Milliseconds))
        {
            context.Transport.Send(from, Pack([newer]));
        }
    }

    public void OnAnnouncements(PeerId from, Announcements message)
    {
        var view = context.View;
        if (view.Members is not { } members)
        {
            return;
        }

        if (message.Items.Length > shards.Length || message.Peers.Length > 3 * shards.Length)
        {
            context.Reject(from, message, $"{message.Items.Length} shards, {message.Peers.Length} members");
            return;
        }

        List<ShardAnnouncement> stale = [];
        foreach (var item in message.Items)
        {
            if (item.Shard >= shards.Length || Unpack(message.Peers, item) is not { } seats)
            {
                context.Reject(from, message, $"shard {item.Shard}, owner {item.Owner}");
                return;
            }

            if (seats.Owner != members.Self && members.Has(seats.Owner)
                && opener.Hear(shards[item.Shard], seats, from == seats.Owner && (item.Flags & SeatFlags.IsOver) == 0, view) is { } newer)
            {
                stale.Add(newer);
            }
        }

        if (stale.Count > 0 && view.Peer(from) is { } peer && peer.MayCorrect(stale.Max(s => s.Epoch), context.Clock.Milliseconds))
        {
            context.Transport.Send(from, Pack(stale));
        }
    }

    private bool Relays(ShardAnnouncement seats) => context.View.Members is { } m && m.Has(seats.Owner) && seats.Owner != m.Self;

    private static ShardAnnouncement? Own(MapShard shard)
    {
        lock (shard.Gate)
        {
            return shard.Serves ? shard.Seats : null;
        }
    }

    private Announcements Pack(List<ShardAnnouncement> list)
    {
        var self = context.View.Members?.Self;
        var peers = new List<PeerId>();
        short IndexOf(PeerId? id)
        {
            if (id is not { } peer)
            {
                return -1;
            }

            if (!peers.Contains(peer))
            {
                peers.Add(peer);
            }

            return (short)peers.IndexOf(peer);
        }

        var items = list.Select(s => new AnnouncedSeats(
            (ushort)s.Shard, s.Epoch, s.Version, IndexOf(s.Owner), IndexOf(s.Replica), IndexOf(s.Next),
            (s.ReplicaIsComplete ? SeatFlags.ReplicaIsComplete : 0) | (s.NextIsComplete ? SeatFlags.NextIsComplete : 0)
                | (s.Owner == self && !shards[s.Shard].Serves ? SeatFlags.IsOver : 0))).ToArray();
        return new Announcements([.. peers], items);
    }

    private static ShardAnnouncement? Unpack(PeerId[] peers, in AnnouncedSeats item)
    {
        PeerId? At(short index) => index < 0 ? null : peers[index];
        if (item.Epoch == 0 || item.Owner < 0 || Math.Max(item.Owner, Math.Max(item.Replica, item.Next)) >= peers.Length)
        {
            return null;
        }

        return new ShardAnnouncement(
            item.Shard, item.Epoch, item.Version, peers[item.Owner], At(item.Replica), (item.Flags & SeatFlags.ReplicaIsComplete) != 0,
            At(item.Next), (item.Flags & SeatFlags.NextIsComplete) != 0);
    }
}
