using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Discovery;

/// <summary>A backend found by an earlier discovery.</summary>
/// <param name="Works">It is known to work: by its probes, or without probes by its clients' connections.</param>
/// <param name="Serves">It works and gets clients: the operator has not taken it out.</param>
internal readonly record struct KnownBackend(BackendOptions Options, bool Works, bool Serves);

/// <summary>
/// Applies an answer of discovery to a pool. A whole answer may be wrong (a half-loaded zone, another environment's, a forgery), and
/// nothing in it shows that. So new backends are added at once, but serving ones leave only as far as those of the answer are known to
/// work.
/// </summary>
internal static class DiscoveryMerge
{
    /// <summary>Most backends used of one answer, and addresses of one name.</summary>
    public const int MaxTargets = 256;

    /// <param name="known">The pool's backends, in its order.</param>
    /// <param name="answer">In an order on which all nodes agree.</param>
    /// <returns>At most <see cref="MaxTargets"/> backends of the answer, followed by those kept.</returns>
    public static ImmutableArray<BackendOptions> Next(IReadOnlyList<KnownBackend> known, ImmutableArray<BackendOptions> answer)
    {
        Dictionary<string, KnownBackend> before = new(StringComparer.OrdinalIgnoreCase);
        foreach (var backend in known)
        {
            before.TryAdd(IdOf(backend.Options), backend);
        }

        var bounded = Bound(before, answer);
        HashSet<string> primaries = Ids(bounded, backup: false), backups = Ids(bounded, backup: true);
        KnownBackend[] kept =
        [
            .. Stay(before, primaries, known.Where(k => k is { Serves: true, Options.Backup: false })),
            .. Stay(before, backups, known.Where(k => k is { Serves: true, Options.Backup: true } && !primaries.Contains(IdOf(k.Options)))),
        ];
        bool anyWorks = kept.Length > 0 || bounded.Any(b => before.TryGetValue(IdOf(b), out var same) && same.Works);
        if (!anyWorks)
        {
            // Only backups serve, and an answer with only primaries would displace them.
            kept = [.. known.Where(k => k.Serves)];
        }

        HashSet<string> keptIds = new(kept.Select(k => IdOf(k.Options)), StringComparer.OrdinalIgnoreCase);
        return [.. bounded.Where(b => !keptIds.Contains(IdOf(b))), .. kept.Take(MaxTargets).Select(k => k.Options)];
    }

    /// <summary>The first of the primaries, then of the backups; among equals those that the pool already has.</summary>
    private static ImmutableArray<BackendOptions> Bound(Dictionary<string, KnownBackend> before, ImmutableArray<BackendOptions> answer)
    {
        ImmutableArray<BackendOptions> distinct = [.. answer.DistinctBy(IdOf, StringComparer.OrdinalIgnoreCase)];
        return distinct.Length <= MaxTargets
            ? distinct
            : [.. distinct.OrderBy(b => b.Backup).ThenBy(b => !before.ContainsKey(IdOf(b))).Take(MaxTargets)];
    }

    /// <summary>
    /// Those that serve in a role, primary or backup, and are missing from it in the answer. They stay in proportion to the answer's
    /// targets of the role that are not known to work yet: all of them at first, none in the end.
    /// </summary>
    private static IEnumerable<KnownBackend> Stay(
        Dictionary<string, KnownBackend> before, HashSet<string> role, IEnumerable<KnownBackend> serving)
    {
        KnownBackend[] all = [.. serving];
        int unproven = role.Count(id => !before.TryGetValue(id, out var same) || !same.Works);
        int stay = role.Count == 0 ? 0 : (int)(((long)all.Length * unproven + role.Count - 1) / role.Count);
        return all.Where(k => !role.Contains(IdOf(k.Options))).Take(stay);
    }

    private static HashSet<string> Ids(ImmutableArray<BackendOptions> answer, bool backup) =>
        new(answer.Where(b => b.Backup == backup).Select(IdOf), StringComparer.OrdinalIgnoreCase);

    private static string IdOf(BackendOptions options) => Backend.IdOf(options.Address);
}
