using System.Collections.Immutable;

namespace ActorLb.Configuration.Effective;

/// <summary>One value that a reload changes; null for a missing one, stars for a secret.</summary>
internal readonly record struct ConfigurationChange(string Path, string? Old, string? New);

internal readonly record struct NameChanges(ImmutableArray<string> Added, ImmutableArray<string> Removed, ImmutableArray<string> Changed)
{
    public bool IsEmpty => Added.IsEmpty && Removed.IsEmpty && Changed.IsEmpty;
}

/// <summary>What a reload changes: a pure comparison of two valid configurations.</summary>
/// <param name="Listeners">A listener with the same name and other settings is changed, not removed and added.</param>
/// <param name="RestartRequired">Paths of changes that take effect only after a restart.</param>
internal sealed record ConfigurationDiff(
    NameChanges Listeners, NameChanges Pools, ImmutableArray<ConfigurationChange> Changes, ImmutableArray<string> RestartRequired)
{
    /// <summary>
    /// Fixed at the start: the node's identity, its threads and directories, sockets that no listener owns, the limits of its sticky
    /// map and the format of a log. Each is a key or a block.
    /// </summary>
    private static readonly string[] FixedAtStart =
    [
        "actorlb.node.name", "actorlb.node.workers", "actorlb.node.data-plane", "actorlb.node.data-dir", "actorlb.node.pid-file", "actorlb.admin.bind",
        "actorlb.admin.tls", "actorlb.cluster", "actorlb.log.format", "actorlb.telemetry", "actorlb.sticky.ttl", "actorlb.sticky.max-entries", "akka",
    ];

    public bool IsEmpty => Changes.IsEmpty;

    public static ConfigurationDiff Between(ActorLbOptions old, ActorLbOptions next)
    {
        var changes = Compare(old, next);
        return new ConfigurationDiff(
            Names(old.Listeners.Keys, next.Listeners.Keys, changes, "actorlb.listeners"),
            Names(old.Pools.Keys, next.Pools.Keys, changes, "actorlb.pools"),
            changes,
            [.. changes.Select(c => c.Path).Where(path => FixedAtStart.Any(block => IsWithin(path, block)))]);
    }

    private static ImmutableArray<ConfigurationChange> Compare(ActorLbOptions old, ActorLbOptions next)
    {
        var before = Entries(old);
        var after = Entries(next);
        var changes = ImmutableArray.CreateBuilder<ConfigurationChange>();
        foreach ((string path, var entry) in before)
        {
            var now = after.GetValueOrDefault(path);
            if (now?.Value != entry.Value) changes.Add(new ConfigurationChange(path, entry.Shown, now?.Shown));
        }
        foreach ((string path, var entry) in after)
        {
            if (!before.ContainsKey(path)) changes.Add(new ConfigurationChange(path, null, entry.Shown));
        }
        return changes.ToImmutable();
    }

    private static OrderedDictionary<string, ConfigurationEntry> Entries(ActorLbOptions options)
    {
        var result = new OrderedDictionary<string, ConfigurationEntry>();
        foreach (var entry in EffectiveConfiguration.Write(options, showSecrets: true).Entries) result.Add(entry.Path, entry);
        return result;
    }

    private static NameChanges Names(
        IEnumerable<string> old, IEnumerable<string> next, ImmutableArray<ConfigurationChange> changes, string block)
    {
        HashSet<string> before = [.. old], after = [.. next];
        return new NameChanges(
            Sorted(after.Where(n => !before.Contains(n))),
            Sorted(before.Where(n => !after.Contains(n))),
            Sorted(after.Where(n => before.Contains(n) && changes.Any(c => IsWithin(c.Path, Hocon.HoconPath.Child(block, n))))));
    }

    private static ImmutableArray<string> Sorted(IEnumerable<string> names) => [.. names.Order(StringComparer.Ordinal)];

    private static bool IsWithin(string path, string block) =>
        path.StartsWith(block, StringComparison.Ordinal) && (path.Length == block.Length || path[block.Length] is '.' or '[');
}
