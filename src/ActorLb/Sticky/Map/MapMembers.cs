using System.Collections.Immutable;

namespace ActorLb.Sticky.Map;

/// <param name="Zone">Copies are kept in another one where there is one.</param>
internal sealed record MapMember(PeerId Id, string? Zone = null)
{
    /// <summary>Share of shards relative to the others'.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>A planned leave: it gives its shards away and gets none.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>By this node.</summary>
    public bool IsReachable { get; init; } = true;

    /// <summary>By every node, as far as this one was told.</summary>
    public bool IsReachableByAll { get; init; } = true;
}

/// <summary>Who is in the fleet, as this node sees it: those that are unreachable but not removed yet included.</summary>
internal sealed class MapMembers
{
    /// <param name="members">Self included.</param>
    public MapMembers(PeerId self, IEnumerable<MapMember> members)
    {
        Self = self;
        All = [.. members.OrderBy(m => m.Id.Name, StringComparer.Ordinal).ThenBy(m => m.Id.Incarnation)];
        Find(self);
    }

    public PeerId Self { get; }

    /// <summary>By name: the same order on every node.</summary>
    public ImmutableArray<MapMember> All { get; }

    public bool AreAllReachable => All.All(m => m is { IsReachable: true, IsReachableByAll: true } || m.Id == Self);

    /// <exception cref="ArgumentException">Nobody is called so.</exception>
    public MapMember Find(PeerId id) => TryFind(id) ?? throw new ArgumentException($"{id} is no member.", nameof(id));

    public MapMember? TryFind(PeerId id)
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

    public bool Has(PeerId? id) => id is { } wanted && TryFind(wanted) is not null;

    public bool CanReach(PeerId id) => TryFind(id) is { IsReachable: true };

    /// <summary>The same fleet, had it never had those that are unreachable.</summary>
    public MapMembers Reachable() => new(Self, All.Where(m => m.IsReachable || m.Id == Self));
}
