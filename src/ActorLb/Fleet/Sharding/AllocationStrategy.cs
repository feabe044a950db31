using System.Collections.Immutable;
using System.Globalization;
using ActorLb.Sticky.Map;
using Akka.Actor;
using Akka.Cluster.Sharding;

namespace ActorLb.Fleet.Sharding;

/// <summary>Adapts <see cref="ShardAllocation"/> to Akka's coordinator, which uses regions instead of nodes.</summary>
internal sealed class AllocationStrategy(MapPart part) : IShardAllocationStrategy
{
    private static readonly IImmutableSet<string> Nothing = ImmutableHashSet<string>.Empty;

    public Task<IActorRef> AllocateShard(
        IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations)
    {
        var regions = new Dictionary<MemberId, IActorRef>();
        foreach (var region in currentShardAllocations.Keys)
        {
            if (part.MemberAt(region.Path.Address) is { } member) regions[member] = region;
        }
        // The regions' nodes are not known as members yet. Any will do: a badly placed shard moves later.
        if (regions.Count == 0) return Task.FromResult(currentShardAllocations.Keys.First());
        var chosen = ShardAllocation.Choose(ShardExtractor.NumberOf(shardId), regions.Keys, part.Map.Members, part.Map.Directory, part.Shards);
        return Task.FromResult(regions[chosen]);
    }

    public Task<IImmutableSet<string>> Rebalance(
        IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations, IImmutableSet<string> rebalanceInProgress)
    {
        var owned = new List<(int, MemberId)>();
        foreach ((var region, var shards) in currentShardAllocations)
        {
            if (part.MemberAt(region.Path.Address) is not { } member) return Task.FromResult(Nothing);
            foreach (string shard in shards) owned.Add((ShardExtractor.NumberOf(shard), member));
        }
        HashSet<int> moving = [.. rebalanceInProgress.Select(ShardExtractor.NumberOf)];
        return Task.FromResult<IImmutableSet<string>>(
            ShardAllocation.Moves(owned, moving, part.Map.Members, part.Map.Directory, part.Shards)
                .Select(s => s.ToString(CultureInfo.InvariantCulture)).ToImmutableHashSet());
    }
}
