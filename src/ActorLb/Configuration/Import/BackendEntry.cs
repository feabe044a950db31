using System.Net;

namespace ActorLb.Configuration.Import;

/// <summary>One backend of a pool, or the settings of all backends that a DNS name stands for.</summary>
internal sealed class BackendEntry(Directive from)
{
    private readonly Draft _settings = new();

    public Directive From => from;

    /// <summary>As HOCON, with substitutions for the file's variables.</summary>
    public required string Address { get; init; }

    /// <summary>Identifies duplicates; null if the address contains variables.</summary>
    public required string? Key { get; init; }

    public Draft Settings => _settings;

    public bool IsDown => _settings.Has("down");

    /// <summary>A host, or an address, with a port; null for anything else.</summary>
    public static BackendEntry? Read(Directive from, string address, string? defaultPort)
    {
        string text = address;
        int colon = text.LastIndexOf(':');
        bool bare = colon < 0 || text.EndsWith(']');
        if (bare && defaultPort is not null) text = $"{text}:{defaultPort}";
        if (!AddressText.TryHost(text, out var host, out _)) return null;
        return new BackendEntry(from) { Address = Units.Quote(AddressText.Format(host)), Key = AddressText.Format(host).ToLowerInvariant() };
    }

    public string Render()
    {
        string[] fields = [.. _settings.Fields().Select(f => $"{f.Key} = {f.Value}")];
        return fields.Length == 0 ? Address : $"{{ address = {Address}, {string.Join(", ", fields)} }}";
    }

    /// <summary>Writes the entries to a pool; duplicates are reported.</summary>
    public static void Put(Draft pool, IEnumerable<BackendEntry> entries)
    {
        var seen = new HashSet<string>();
        var kept = new List<BackendEntry>();
        foreach (var entry in entries)
        {
            if (entry.Key is { } key && !seen.Add(key)) entry.From.Report("the same address again: a pool has each backend once, give it a weight");
            else if (kept.Count >= ImportLimits.Entries) entry.From.Report($"at most {ImportLimits.Entries} backends are written for a pool");
            else kept.Add(entry);
        }
        pool.SetList("backends", kept.Select(e => (e.Render(), (Directive?)e.From)));
    }
}
