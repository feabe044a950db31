
using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>Makes the picture of members and directory that lookups go by. One caller at a time, which holds no shard's lock.</summary>
internal sealed class MapViews(MapContext context, MapShard[] shards, RemoteLookups remote)
{
    public void SwapDirectory()
    {
        var view = context.View;
        var directory = view.Directory.Shards.ToBuilder();
        for (var word = 0; word < context.SeatsChanged.Words; word++)
        {
            for (var taken = context.SeatsChanged.Take(word); taken != 0;)
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
        var peers = old.Peers;
        var wishes = old.Wishes;
        if (members != old.Members)
        {
            peers = members is null ? [] : [.. members.All.Where(m => m.Id != members.Self)
                .Select(m => old.Peer(m.Id) ?? new PeerLookups(m.Id, context, remote.Calls))];
            wishes = members is null ? ShardWishes.None : ShardWishes.Of(members, shards.Length);
            foreach (var peer in peers)
            {
                peer.IsReachable = members!.CanReach(peer.Id);
            }
        }

        var view = new MapView(members, wishes, directory, peers, new ShardRoute[shards.Length]);
        for (var i = 0; members is not null && i < shards.Length; i++)
        {
            view.Routes[i] = RouteOf(directory[i], view, members.Self);
        }

        context.View = view;
        remote.OnViewChanged(old, view);
    }

    private static ShardRoute RouteOf(ShardAnnouncement? seats, MapView view, PeerId self)
    {
        if (seats is null)
        {
            return default;
        }

        var owner = view.Peer(seats.Owner);
        var replica = seats.Replica is { } id ? view.Peer(id) : null;
        return new ShardRoute(
            owner, seats.Owner == self, owner?.IsReachable == true, replica, seats.Replica == self, replica?.IsReachable == true, seats.Epoch);
    }
}
