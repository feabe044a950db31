using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace ActorLb.Configuration.Effective;

/// <summary>
/// A configuration as hashes short enough to compare by eye: one of everything, and one of each section that the nodes of a fleet
/// should have in common. Sections leave out what differs between nodes by design: names, addresses, file paths, limits of the
/// machine. Secrets are in neither.
/// </summary>
/// <param name="Hash">12 hexadecimal digits, over everything in force.</param>
/// <param name="Parts">By name ("pools.emqx", "listeners.mqtt", "sticky", "cluster").</param>
internal sealed record ConfigurationFingerprint(string Hash, ImmutableSortedDictionary<string, string> Parts)
{
    /// <summary>With more pools or listeners than this all of them share one hash, since the hashes are sent over the fleet.</summary>
    private const int MostNames = 256;

    private const int Digits = 12;

    // Their values are paths on this machine, so only their presence is compared.
    private static readonly string[] Files = ["certificate", "key", "ca", "client-ca", "crl", "ticket-key-file", "key-file"];

    private static readonly string[] OwnOfANode = ["bind", "advertise", "zone", "secret-file"];

    public static ConfigurationFingerprint Of(ActorLbOptions options)
    {
        var parts = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var all = EffectiveConfiguration.Write(options, showSecrets: false).Entries;
        Add("pools", options.Pools.Keys);
        Add("listeners", options.Listeners.Keys);
        parts["sticky"] = HashOf(Within("actorlb.sticky"));
        parts["cluster"] = HashOf(Within("actorlb.cluster"));
        return new ConfigurationFingerprint(HashOf(all.Select(e => $"{e.Path}={e.Shown}")), parts.ToImmutable());

        void Add(string block, IEnumerable<string> names)
        {
            string[] known = [.. names];
            if (known.Length > MostNames) parts[block] = HashOf(Within($"actorlb.{block}"));
            else foreach (string name in known) parts[$"{block}.{name}"] = HashOf(Within(Hocon.HoconPath.Child($"actorlb.{block}", name)));
        }

        IEnumerable<string> Within(string block) => all.Where(e => e.Path.StartsWith(block + ".", StringComparison.Ordinal) || e.Path.StartsWith(block + "[", StringComparison.Ordinal))
            .Select(e => Shared(e, block)).OfType<string>();
    }

    /// <summary>Names of the sections that differ or that only one side has.</summary>
    public static string[] Differences(ImmutableSortedDictionary<string, string> one, ImmutableSortedDictionary<string, string> other) =>
        [.. one.Keys.Union(other.Keys, StringComparer.Ordinal).Where(k => one.GetValueOrDefault(k) != other.GetValueOrDefault(k)).Order(StringComparer.Ordinal)];

    /// <summary>The entry as all nodes should have it; null for one that is specific to a node.</summary>
    private static string? Shared(ConfigurationEntry entry, string block)
    {
        string path = entry.Path[block.Length..];
        string key = path[(path.LastIndexOf('.') + 1)..];
        if (path.Contains(".source-addresses[", StringComparison.Ordinal) || (path == "." + key && OwnOfANode.Contains(key))) return null;
        bool isFile = (path.Contains(".tls.", StringComparison.Ordinal) || path.Contains(".backends.emqx.", StringComparison.Ordinal)) && Files.Contains(key) && entry.Value is not ("null" or "[]");
        return $"{path}={(isFile ? "a file" : entry.Shown)}";
    }

    private static string HashOf(IEnumerable<string> lines) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))))[..Digits];
}
