namespace ActorLb.Sticky.Map.Sharding;

/// <summary>The result of <see cref="Placement"/> for a set of members.</summary>
/// <param name="Owners">The desired owner of each shard.</param>
/// <param name="Replicas">The desired replica of each shard that this node may own, among the reachable members.</param>
/// <param name="MayMove">All members are reachable, so copies may move.</param>
internal sealed record DesiredSeats(MemberId?[] Owners, MemberId?[] Replicas, bool MayMove)
{
    public static readonly DesiredSeats None = new([], [], false);

    public static DesiredSeats Of(MapMembers members, int shards) => new(
        Placement.Owners(members, shards), Placement.Replicas(members.Reachable(), members.Self, shards), members.AreAllReachable);
}

/// <summary>
/// Lets the owner choose which members keep copies, one step at a time: a copy is given up only after another is complete. Lost
/// copies are replaced at once; other moves wait while a member is unreachable. Called under the shard's lock.
/// </summary>
internal sealed class ShardSeating(MapContext context)
{
    /// <summary>Called after an opening, after a change of members, and when a copy becomes complete or incomplete.</summary>
    public void Decide(MapShard shard, MapView view)
    {
        if (view.Members is not { } members || !shard.Serves)
        {
            return;
        }

        var desiredReplica = view.Desired.Replicas[shard.Number];
        shard.Replica = members.Has(shard.Replica?.Member) ? shard.Replica : null;
        shard.Next = members.Has(shard.Next?.Member) ? shard.Next : null;
        if (shard.Replica is null && shard.Next is { } successor)
        {
            (shard.Replica, shard.Next) = (successor, null);
        }

        shard.Replica ??= desiredReplica is { } first ? new CopyTarget(first) : null;
        if (view.Desired.MayMove)
        {
            Move(shard, members.Self, view.Desired.Owners[shard.Number], desiredReplica);
        }

        Publish(shard, members.Self);
    }

    private static void Move(MapShard shard, MemberId self, MemberId? desiredOwner, MemberId? desiredReplica)
    {
        if (desiredReplica is null)
        {
            // Only this node remains, so nobody can replace a leaving replica.
            shard.Replica = null;
        }
        else if (shard.Replica is { IsComplete: false } && shard.Replica.Member != desiredReplica && shard.Next?.Member != desiredReplica)
        {
            shard.Replica = new CopyTarget(desiredReplica.Value);
        }

        if (shard.Next is { } next)
        {
            if (next.Member != desiredOwner && next.Member != desiredReplica)
            {
                shard.Next = null;
            }
            else if (next.Member == desiredReplica && next.IsComplete)
            {
                (shard.Replica, shard.Next) = (next, null);
            }
        }

        if (shard.Next is null)
        {
            var coming = desiredOwner is not null && desiredOwner != self && desiredOwner != shard.Replica?.Member ? desiredOwner
                : desiredReplica is not null && desiredReplica != shard.Replica?.Member ? desiredReplica : null;
            shard.Next = coming is { } id ? new CopyTarget(id) : null;
        }
    }

    /// <summary>Announces the seats if they changed.</summary>
    private void Publish(MapShard shard, MemberId self)
    {
        var old = shard.Seats;
        var seats = new ShardAnnouncement(
            shard.Number, shard.HeldEpoch, old?.Epoch == shard.HeldEpoch ? old.Version : 0, self,
            shard.Replica?.Member, shard.Replica?.IsComplete == true, shard.Next?.Member, shard.Next?.IsComplete == true);
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
