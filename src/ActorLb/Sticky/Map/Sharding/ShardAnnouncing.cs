namespace ActorLb.Sticky.Map.Sharding;

/// <summary>Exchanges announcements with the other members. Takes the shards' locks itself.</summary>
internal sealed class ShardAnnouncing(MapContext context, MapShard[] shards, ShardOpener opener)
{
    /// <summary>
    /// All shards of this node are announced again at this interval, to one member at a time, in case a message was lost.
    /// </summary>
    private const long RepeatMilliseconds = 1000;

    private long _repeatAt;
    private int _repeatTo;

    /// <summary>Called by the clock: sends changed announcements to all members, one message each.</summary>
    public void Tick(MapView view, long now)
    {
        List<ShardAnnouncement>? changed = null;
        for (int word = 0; word < context.ToAnnounce.Words; word++)
        {
            for (ulong taken = context.ToAnnounce.Take(word); taken != 0;)
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

    /// <summary>
    /// Sends announcements of the shards that this node owns and, if <paramref name="all"/>, of the others it knows.
    /// </summary>
    public void Send(MemberId to, bool all)
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

    /// <summary>
    /// The sender used another epoch of a shard than this node knows: the node that is behind gets the newer announcement.
    /// </summary>
    public void Reconcile(MemberId from, MapShard shard, ulong epoch)
    {
        var view = context.View;
        if (view.Other(from) is not { } sender)
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

        if (newer is null && sender.MayRequest(context.Clock.Milliseconds))
        {
            context.Transport.Send(from, new AnnouncementsRequest());
        }
        else if (newer is not null && sender.MayCorrect(newer.Epoch, context.Clock.Milliseconds))
        {
            context.Transport.Send(from, Pack([newer]));
        }
    }

    public void OnAnnouncements(MemberId from, Announcements message)
    {
        var view = context.View;
        if (view.Members is not { } members)
        {
            return;
        }

        if (message.Items.Length > shards.Length || message.Members.Length > 3 * shards.Length)
        {
            context.Reject(from, message, $"{message.Items.Length} shards, {message.Members.Length} members");
            return;
        }

        List<ShardAnnouncement> stale = [];
        foreach (var item in message.Items)
        {
            if (item.Shard >= shards.Length || Unpack(message.Members, item) is not { } seats)
            {
                context.Reject(from, message, $"shard {item.Shard}, owner {item.Owner}");
                return;
            }

            if (seats.Owner != members.Self && members.Has(seats.Owner)
                && opener.OnAnnouncement(shards[item.Shard], seats, from == seats.Owner && (item.Flags & SeatFlags.IsOver) == 0, view) is { } newer)
            {
                stale.Add(newer);
            }
        }

        if (stale.Count > 0 && view.Other(from) is { } sender && sender.MayCorrect(stale.Max(s => s.Epoch), context.Clock.Milliseconds))
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
        var listed = new List<MemberId>();
        short IndexOf(MemberId? id)
        {
            if (id is not { } member)
            {
                return -1;
            }

            if (!listed.Contains(member))
            {
                listed.Add(member);
            }

            return (short)listed.IndexOf(member);
        }

        var items = list.Select(s => new AnnouncedSeats(
            (ushort)s.Shard, s.Epoch, s.Version, IndexOf(s.Owner), IndexOf(s.Replica), IndexOf(s.Next),
            (s.ReplicaIsComplete ? SeatFlags.ReplicaIsComplete : 0) | (s.NextIsComplete ? SeatFlags.NextIsComplete : 0)
                | (s.Owner == self && !shards[s.Shard].Serves ? SeatFlags.IsOver : 0))).ToArray();
        return new Announcements([.. listed], items);
    }

    private static ShardAnnouncement? Unpack(MemberId[] listed, in AnnouncedSeats item)
    {
        MemberId? At(short index) => index < 0 ? null : listed[index];
        if (item.Epoch == 0 || item.Owner < 0 || Math.Max(item.Owner, Math.Max(item.Replica, item.Next)) >= listed.Length)
        {
            return null;
        }

        return new ShardAnnouncement(
            item.Shard, item.Epoch, item.Version, listed[item.Owner], At(item.Replica), (item.Flags & SeatFlags.ReplicaIsComplete) != 0,
            At(item.Next), (item.Flags & SeatFlags.NextIsComplete) != 0);
    }
}
