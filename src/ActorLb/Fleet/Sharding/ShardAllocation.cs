using System.Collections.Immutable;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// Which node gets a shard, and which shards move: to where <see cref="Placement"/> wants them, but never away from the content. Pure;
/// the coordinator's node asks it with what that node knows.
/// </summary>
internal static class ShardAllocation
{
    /// <summary>Moves under way at once: each has a gap of a few messages, and the coordinator writes one after the other.</summary>
    public const int MaxMoves = 8;

    /// <param name="candidates">Nodes with a region that take shards, never empty.</param>
    /// <param name="members">Null while this node does not know them.</param>
    public static PeerId Choose(int shard, IReadOnlyCollection<PeerId> candidates, MapMembers? members, ShardDirectory directory, int shards)
    {
        if (members is null) return candidates.Order(ByName).First();
        ImmutableArray<PeerId> fit = [.. candidates.Where(c => members.TryFind(c) is { IsReachable: true, IsLeaving: false })];
        if (fit.IsEmpty) fit = [.. candidates.Where(members.CanReach)];
        if (fit.IsEmpty) fit = [.. candidates];

        // Without those that cannot be had, so that each of their shards goes where it will stay.
        var wished = Placement.Owners(new MapMembers(members.Self, members.All.Where(m => m.Id == members.Self || fit.Contains(m.Id))), shards)[shard];
        if (wished is { } best && fit.Contains(best) && directory.IsCompleteAt(shard, best)) return best;
        if (directory[shard] is { } seats)
        {
            // After a crash: where the copy is.
            foreach (PeerId? seat in (ReadOnlySpan<PeerId?>)[seats.Owner, seats.ReplicaIsComplete ? seats.Replica : null, seats.NextIsComplete ? seats.Next : null, seats.Replica])
            {
                if (seat is { } holder && fit.Contains(holder)) return holder;
            }
        }
        return wished is { } other && fit.Contains(other) ? other : fit.Order(ByName).First();
    }

    /// <param name="owned">Where each shard is.</param>
    /// <param name="moving">Shards under way.</param>
    public static IEnumerable<int> Moves(
        IEnumerable<(int Shard, PeerId Owner)> owned, IReadOnlyCollection<int> moving, MapMembers? members, ShardDirectory directory, int shards)
    {
        // The move of a shard blocks it until all regions have confirmed it: one that cannot blocks it for the whole time-out.
        if (members is null || !members.AreAllReachable || moving.Count >= MaxMoves) return [];
        PeerId?[] wished = Placement.Owners(members, shards);
        return owned.Where(o => wished[o.Shard] is { } to && to != o.Owner && !moving.Contains(o.Shard) && directory.IsCompleteAt(o.Shard, to))
            .Select(o => o.Shard).Order().Take(MaxMoves - moving.Count);
    }

    private static readonly Comparer<PeerId> ByName = Comparer<PeerId>.Create((a, b) =>
        string.CompareOrdinal(a.Name, b.Name) is not 0 and var order ? order : a.Incarnation.CompareTo(b.Incarnation));
}
