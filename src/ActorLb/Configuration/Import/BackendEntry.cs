using System.Net;

namespace ActorLb.Configuration.Import;

/// <summary>One backend of a pool, or the settings of all that a name of DNS stands for.</summary>
internal sealed class BackendEntry(Directive from)
{
    private readonly Draft _settings = new();

    public Directive From => from;

    /// <summary>As HOCON, with substitutions where the file has variables.</summary>
    public required string Address { get; init; }

    /// <summary>To tell whether another one is the same; null where variables are in it.</summary>
    public required string? Key { get; init; }

    public Draft Settings => _settings;

    public bool IsDown => _settings.Has("down");

    /// <summary>A host, or an address, with a port; null for what is none.</summary>
    public static BackendEntry? Read(Directive from, string address, string? defaultPort)
    {
        string text = address;
        int colon = text.LastIndexOf(':');
        bool bare = colon < 0 || text.EndsWith(']');
        if (bare && defaultPort is not null) text = $"{text}:{defaultPort}";
        if (!AddressText.TryHost(text, out DnsEndPoint host, out _)) return null;
        return new BackendEntry(from) { Address = Units.Quote(AddressText.Format(host)), Key = AddressText.Format(host).ToLowerInvariant() };
    }

    public string Render()
    {
        string[] fields = [.. _settings.Fields().Select(f => $"{f.Key} = {f.Value}")];
        return fields.Length == 0 ? Address : $"{{ address = {Address}, {string.Join(", ", fields)} }}";
    }

    /// <summary>Puts the entries into a pool; one that stands there already is told.</summary>
    public static void Put(Draft pool, IEnumerable<BackendEntry> entries)
    {
        var seen = new HashSet<string>();
        var kept = new List<BackendEntry>();
        foreach (BackendEntry entry in entries)
        {
            if (entry.Key is { } key && !seen.Add(key)) entry.From.Tell("the same address once more: a pool has each backend once, give it a weight");
            else if (kept.Count >= ImportLimits.Entries) entry.From.Tell($"a pool is written with {ImportLimits.Entries} backends at most");
            else kept.Add(entry);
        }
        pool.SetList("backends", kept.Select(e => (e.Render(), (Directive?)e.From)));
    }
}
