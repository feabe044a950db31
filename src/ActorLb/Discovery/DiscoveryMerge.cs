using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Discovery;

/// <summary>A backend that discovery found before.</summary>
/// <param name="Works">It answers: by its probes, or without probes by what its clients met.</param>
/// <param name="Serves">It works and takes clients: the operator has not taken it out.</param>
internal readonly record struct KnownBackend(BackendOptions Options, bool Works, bool Serves);

/// <summary>
/// What an answer of discovery makes of a pool. An answer may be wrong as a whole (a zone half loaded, another environment's, forged), and
/// nothing in it tells. So it adds at once, but backends that serve leave only as far as those of the answer are shown to work.
/// </summary>
internal static class DiscoveryMerge
{
    /// <summary>Backends taken of one answer at most, and addresses of one name.</summary>
    public const int MaxTargets = 256;

    /// <param name="known">The pool's, in its order.</param>
    /// <param name="answer">In the order on which all nodes agree.</param>
    /// <returns>The answer, no more than <see cref="MaxTargets"/> of it, then those kept beside it.</returns>
    public static ImmutableArray<BackendOptions> Next(IReadOnlyList<KnownBackend> known, ImmutableArray<BackendOptions> answer)
    {
        Dictionary<string, KnownBackend> before = new(StringComparer.OrdinalIgnoreCase);
        foreach (KnownBackend backend in known)
        {
            before.TryAdd(IdOf(backend.Options), backend);
        }

        ImmutableArray<BackendOptions> bounded = Bound(before, answer);
        HashSet<string> primaries = Ids(bounded, backup: false), backups = Ids(bounded, backup: true);
        KnownBackend[] kept =
        [
            .. Stay(before, primaries, known.Where(k => k is { Serves: true, Options.Backup: false })),
            .. Stay(before, backups, known.Where(k => k is { Serves: true, Options.Backup: true } && !primaries.Contains(IdOf(k.Options)))),
        ];
        bool anyWorks = kept.Length > 0 || bounded.Any(b => before.TryGetValue(IdOf(b), out KnownBackend same) && same.Works);
        if (!anyWorks)
        {
            // Backups alone serve, and an answer of primaries alone would displace them.
            kept = [.. known.Where(k => k.Serves)];
        }

        HashSet<string> keptIds = new(kept.Select(k => IdOf(k.Options)), StringComparer.OrdinalIgnoreCase);
        return [.. bounded.Where(b => !keptIds.Contains(IdOf(b))), .. kept.Take(MaxTargets).Select(k => k.Options)];
    }

    /// <summary>The first of the primaries, then of the backups; among equals those that the pool has already.</summary>
    private static ImmutableArray<BackendOptions> Bound(Dictionary<string, KnownBackend> before, ImmutableArray<BackendOptions> answer)
    {
        ImmutableArray<BackendOptions> distinct = [.. answer.DistinctBy(IdOf, StringComparer.OrdinalIgnoreCase)];
        return distinct.Length <= MaxTargets
            ? distinct
            : [.. distinct.OrderBy(b => b.Backup).ThenBy(b => !before.ContainsKey(IdOf(b))).Take(MaxTargets)];
    }

    /// <summary>
    /// Those that serve in a role, primary or backup, and that the answer does not have in it. They stay in the proportion in which its
    /// targets of the role are not shown to work yet: all of them at first, none at last.
    /// </summary>
    private static IEnumerable<KnownBackend> Stay(
        Dictionary<string, KnownBackend> before, HashSet<string> role, IEnumerable<KnownBackend> serving)
    {
        KnownBackend[] all = [.. serving];
        int unproven = role.Count(id => !before.TryGetValue(id, out KnownBackend same) || !same.Works);
        int stay = role.Count == 0 ? 0 : (int)(((long)all.Length * unproven + role.Count - 1) / role.Count);
        return all.Where(k => !role.Contains(IdOf(k.Options))).Take(stay);
    }

    private static HashSet<string> Ids(ImmutableArray<BackendOptions> answer, bool backup) =>
        new(answer.Where(b => b.Backup == backup).Select(IdOf), StringComparer.OrdinalIgnoreCase);

    private static string IdOf(BackendOptions options) => Backend.IdOf(options.Address);
}
