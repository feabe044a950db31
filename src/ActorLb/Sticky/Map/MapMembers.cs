using System.Collections.Immutable;

namespace ActorLb.Sticky.Map;

/// <param name="Zone">Copies are placed in another zone if there is one.</param>
internal sealed record MapMember(MemberId Id, string? Zone = null)
{
    /// <summary>The member's share of the shards, relative to the other members' weights.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>The member is leaving as planned: it hands over its shards and gets none.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>Whether this node reaches it.</summary>
    public bool IsReachable { get; init; } = true;

    /// <summary>Whether every node reaches it, as far as this node knows.</summary>
    public bool IsReachableByAll { get; init; } = true;
}

/// <summary>The members of the fleet as this node sees them, including unreachable ones that are not removed yet.</summary>
internal sealed class MapMembers
{
    /// <param name="members">All members, including self.</param>
    public MapMembers(MemberId self, IEnumerable<MapMember> members)
    {
        Self = self;
        All = [.. members.OrderBy(m => m.Id.Name, StringComparer.Ordinal).ThenBy(m => m.Id.Incarnation)];
        Find(self);
    }

    public MemberId Self { get; }

    /// <summary>Ordered by name, so that the order is the same on every node.</summary>
    public ImmutableArray<MapMember> All { get; }

    public bool AreAllReachable => All.All(m => m is { IsReachable: true, IsReachableByAll: true } || m.Id == Self);

    /// <exception cref="ArgumentException">There is no such member.</exception>
    public MapMember Find(MemberId id) => TryFind(id) ?? throw new ArgumentException($"{id} is no member.", nameof(id));

    public MapMember? TryFind(MemberId id)
    {
        foreach (var member in All)
        {
            if (member.Id == id)
            {
                return member;
            }
        }

        return null;
    }

    public bool Has(MemberId? id) => id is { } wanted && TryFind(wanted) is not null;

    public bool CanReach(MemberId id) => TryFind(id) is { IsReachable: true };

    /// <summary>The members without the unreachable ones.</summary>
    public MapMembers Reachable() => new(Self, All.Where(m => m.IsReachable || m.Id == Self));
}
