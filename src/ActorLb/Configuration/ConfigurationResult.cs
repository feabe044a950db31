using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration;

/// <summary>What is wrong with a configuration, and where it was written.</summary>
/// <param name="Path">Of the key, empty for the file as a whole.</param>
/// <param name="Value">As written; null where there is none or where it could be a secret.</param>
/// <param name="Reason">A predicate: it reads on from the value.</param>
internal sealed record ConfigurationError(string File, int Line, int Column, string Path, string? Value, string Reason)
{
    internal ConfigurationError(SourcePosition position, string path, string? value, string reason)
        : this(position.File, position.Line, position.Column, path, value, reason) { }

    public override string ToString()
    {
        string path = Path.Length == 0 ? "" : $"{Path}: ";
        string value = Value is null ? "" : $"'{Value}' ";
        return $"{File}:{Line}:{Column}: {path}{value}{Reason}";
    }
}

/// <param name="Options">Null when there is an error.</param>
/// <param name="Errors">All of them, in the order of the files. Blocks that do not nest are the only one.</param>
/// <param name="Warnings">What is allowed but hardly meant.</param>
/// <param name="Positions">Of the values that are written, by the paths of their keys: for errors that only their use finds.</param>
internal sealed record ConfigurationResult(
    ActorLbOptions? Options, ImmutableArray<ConfigurationError> Errors, ImmutableArray<ConfigurationError> Warnings,
    IReadOnlyDictionary<string, SourcePosition> Positions)
{
    /// <summary>
    /// The same options, or with errors what could be read, with defaults and empty names in place of what is wrong: to look for
    /// further errors, and for nothing else. Null when it could not be read at all.
    /// </summary>
    public ActorLbOptions? Readable { get; init; } = Options;

    public bool IsWritten(string path) => Positions.ContainsKey(path);

    /// <summary>Where a key's value is written, else the innermost block around it that is.</summary>
    public SourcePosition PositionOf(string path)
    {
        while (!Positions.ContainsKey(path) && path.LastIndexOf('.') is > 0 and var dot) path = path[..dot];
        return Positions.GetValueOrDefault(path, new SourcePosition("", 1, 1));
    }

    /// <summary>The same with further warnings, in the order of the files.</summary>
    public ConfigurationResult WithWarnings(IEnumerable<ConfigurationError> more) => this with { Warnings = Sort(Warnings.Concat(more)) };

    /// <summary>The same with further errors; a key that was found wrong already is not told again.</summary>
    public ConfigurationResult WithErrors(IReadOnlyCollection<ConfigurationError> more) => more.Count == 0 ? this : this with
    {
        Options = null,
        Errors = Sort(Errors.Concat(more.Where(m => !Errors.Any(e => e.Path == m.Path)))),
    };

    internal static ImmutableArray<ConfigurationError> Sort(IEnumerable<ConfigurationError> list) =>
        [.. list.OrderBy(e => e.File, StringComparer.Ordinal).ThenBy(e => e.Line).ThenBy(e => e.Column).Distinct()];
}
