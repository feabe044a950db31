namespace ActorLb.Configuration.Import;

/// <summary>The outcome of a directive: a row of docs/import.md, and the message where nothing more specific is known.</summary>
/// <param name="Name">Ends with '*' for all names with that prefix.</param>
/// <param name="Where">The block that it belongs to.</param>
/// <param name="Text">For a carried one the resulting keys, for others why it is not needed or what to do instead.</param>
/// <param name="Example">As it is written.</param>
internal sealed record DirectiveEntry(string Name, string Where, Verdict Verdict, string Text, string Example);

/// <summary>The rows of one program.</summary>
internal sealed class DirectiveTable
{
    private readonly Dictionary<string, DirectiveEntry> _exact = [];
    private readonly DirectiveEntry[] _beginnings;

    public DirectiveTable(IReadOnlyList<DirectiveEntry> entries)
    {
        Entries = entries;
        foreach (var entry in entries) _exact.TryAdd(entry.Name, entry);
        _beginnings = [.. entries.Where(e => e.Name.EndsWith('*')).OrderByDescending(e => e.Name.Length)];
    }

    public IReadOnlyList<DirectiveEntry> Entries { get; }

    public DirectiveEntry? Find(string name) => _exact.GetValueOrDefault(name)
        ?? Array.Find(_beginnings, e => name.StartsWith(e.Name[..^1], StringComparison.Ordinal));

    /// <summary>Handles what no code has handled.</summary>
    public void Judge(Directive directive, string name)
    {
        if (directive.Verdict is not null) return;
        switch (Find(name))
        {
            case { Verdict: Verdict.Reported } known: directive.Report(known.Text); break;
            case { Verdict: Verdict.NotNeeded } left: directive.Leave(left.Text); break;
            case { } known: directive.Leave($"nothing that is written here uses it (otherwise: {known.Text})"); break;
            default: directive.Report("unknown to the importer: see docs/import.md, and set its equivalent by hand"); break;
        }
    }
}
