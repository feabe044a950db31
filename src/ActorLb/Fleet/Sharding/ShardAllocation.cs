using System.Collections.Immutable;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// Decides which node gets a shard and which shards move: towards <see cref="Placement"/>, but only to nodes that have the
/// content. Pure functions of what the coordinator's node knows.
/// </summary>
internal static class ShardAllocation
{
    /// <summary>
    /// The most moves in progress: each shard is briefly unavailable, and the coordinator writes them one after another.
    /// </summary>
    public const int MaxMoves = 8;

    /// <param name="candidates">Nodes with a region; never empty.</param>
    /// <param name="members">Null while unknown.</param>
    public static MemberId Choose(int shard, IReadOnlyCollection<MemberId> candidates, MapMembers? members, ShardDirectory directory, int shards)
    {
        if (members is null) return candidates.Order(ByName).First();
        ImmutableArray<MemberId> fit = [.. candidates.Where(c => members.TryFind(c) is { IsReachable: true, IsLeaving: false })];
        if (fit.IsEmpty) fit = [.. candidates.Where(members.CanReach)];
        if (fit.IsEmpty) fit = [.. candidates];

        // Place among the usable members only, so that each shard goes to its final node.
        var desired = Placement.Owners(new MapMembers(members.Self, members.All.Where(m => m.Id == members.Self || fit.Contains(m.Id))), shards)[shard];
        if (desired is { } best && fit.Contains(best) && directory.IsCompleteAt(shard, best)) return best;
        if (directory[shard] is { } seats)
        {
            // After a crash, prefer a node with a copy.
            foreach (var seat in (ReadOnlySpan<MemberId?>)[seats.Owner, seats.ReplicaIsComplete ? seats.Replica : null, seats.NextIsComplete ? seats.Next : null, seats.Replica])
            {
                if (seat is { } holder && fit.Contains(holder)) return holder;
            }
        }
        return desired is { } other && fit.Contains(other) ? other : fit.Order(ByName).First();
    }

    /// <param name="owned">The owner of each shard.</param>
    /// <param name="moving">Shards that are already moving.</param>
    public static IEnumerable<int> Moves(
        IEnumerable<(int Shard, MemberId Owner)> owned, IReadOnlyCollection<int> moving, MapMembers? members, ShardDirectory directory, int shards)
    {
        // A move blocks its shard until all regions have confirmed, so an unreachable region would block it for the whole
        // time-out.
        if (members is null || !members.AreAllReachable || moving.Count >= MaxMoves) return [];
        var desired = Placement.Owners(members, shards);
        return owned.Where(o => desired[o.Shard] is { } to && to != o.Owner && !moving.Contains(o.Shard) && directory.IsCompleteAt(o.Shard, to))
            .Select(o => o.Shard).Order().Take(MaxMoves - moving.Count);
    }

    private static readonly Comparer<MemberId> ByName = Comparer<MemberId>.Create((a, b) =>
        string.CompareOrdinal(a.Name, b.Name) is not 0 and var order ? order : a.Incarnation.CompareTo(b.Incarnation));
}
