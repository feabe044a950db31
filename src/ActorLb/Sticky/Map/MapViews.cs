using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// Builds the snapshot of members and directory that lookups use. One caller at a time, without holding a shard's lock.
/// </summary>
internal sealed class MapViews(MapContext context, MapShard[] shards, RemoteLookups remote)
{
    public void SwapDirectory()
    {
        var view = context.View;
        var directory = view.Directory.Shards.ToBuilder();
        for (int word = 0; word < context.SeatsChanged.Words; word++)
        {
            for (ulong taken = context.SeatsChanged.Take(word); taken != 0;)
            {
                var shard = shards[MapBits.Next(ref taken, word)];
                lock (shard.Gate)
                {
                    directory[shard.Number] = shard.Seats;
                }
            }
        }

        Swap(new ShardDirectory(directory.MoveToImmutable()), view.Members);
    }

    public void Swap(ShardDirectory directory, MapMembers? members)
    {
        var old = context.View;
        var others = old.Others;
        var desired = old.Desired;
        if (members != old.Members)
        {
            others = members is null ? [] : [.. members.All.Where(m => m.Id != members.Self)
                .Select(m => old.Other(m.Id) ?? new MemberLookups(m.Id, context, remote.Calls))];
            desired = members is null ? DesiredSeats.None : DesiredSeats.Of(members, shards.Length);
            foreach (var other in others)
            {
                other.IsReachable = members!.CanReach(other.Id);
            }
        }

        var view = new MapView(members, desired, directory, others, new ShardRoute[shards.Length]);
        for (int i = 0; members is not null && i < shards.Length; i++)
        {
            view.Routes[i] = RouteOf(directory[i], view, members.Self);
        }

        context.View = view;
        remote.OnViewChanged(old, view);
    }

    private static ShardRoute RouteOf(ShardAnnouncement? seats, MapView view, MemberId self)
    {
        if (seats is null)
        {
            return default;
        }

        var owner = view.Other(seats.Owner);
        var replica = seats.Replica is { } id ? view.Other(id) : null;
        return new ShardRoute(
            owner, seats.Owner == self, owner?.IsReachable == true, replica, seats.Replica == self, replica?.IsReachable == true, seats.Epoch);
    }
}
