using System.Collections.Immutable;
using System.Globalization;
using ActorLb.Sticky.Map;
using Akka.Actor;
using Akka.Cluster.Sharding;

namespace ActorLb.Fleet.Sharding;

/// <summary>Asks <see cref="ShardAllocation"/> on behalf of Akka's coordinator, which speaks of regions.</summary>
internal sealed class AllocationStrategy(MapPart part) : IShardAllocationStrategy
{
    private static readonly IImmutableSet<string> Nothing = ImmutableHashSet<string>.Empty;

    public Task<IActorRef> AllocateShard(
        IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations)
    {
        var regions = new Dictionary<PeerId, IActorRef>();
        foreach (IActorRef region in currentShardAllocations.Keys)
        {
            if (part.PeerAt(region.Path.Address) is { } peer) regions[peer] = region;
        }
        // Regions of nodes that this one does not count as members yet: any will do, and what is not well placed moves later.
        if (regions.Count == 0) return Task.FromResult(currentShardAllocations.Keys.First());
        PeerId chosen = ShardAllocation.Choose(ShardExtractor.NumberOf(shardId), regions.Keys, part.Map.Members, part.Map.Directory, part.Shards);
        return Task.FromResult(regions[chosen]);
    }

    public Task<IImmutableSet<string>> Rebalance(
        IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations, IImmutableSet<string> rebalanceInProgress)
    {
        var owned = new List<(int, PeerId)>();
        foreach ((IActorRef region, IImmutableList<string> shards) in currentShardAllocations)
        {
            if (part.PeerAt(region.Path.Address) is not { } peer) return Task.FromResult(Nothing);
            foreach (string shard in shards) owned.Add((ShardExtractor.NumberOf(shard), peer));
        }
        HashSet<int> moving = [.. rebalanceInProgress.Select(ShardExtractor.NumberOf)];
        return Task.FromResult<IImmutableSet<string>>(
            ShardAllocation.Moves(owned, moving, part.Map.Members, part.Map.Directory, part.Shards)
                .Select(s => s.ToString(CultureInfo.InvariantCulture)).ToImmutableHashSet());
    }
}
