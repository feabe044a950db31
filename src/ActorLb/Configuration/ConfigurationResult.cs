using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration;

/// <summary>What is wrong in a configuration, and where.</summary>
/// <param name="Path">The key's path, empty for the file as a whole.</param>
/// <param name="Value">As written; null where there is none or it could be a secret.</param>
/// <param name="Reason">A predicate, to be read after the value.</param>
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
/// <param name="Errors">All of them, in the order of the files. If blocks are not nested properly, that is the only one.</param>
/// <param name="Warnings">What is allowed but probably not meant.</param>
/// <param name="Positions">Of the values in the files, by the paths of their keys: for errors found only when a value is used.</param>
internal sealed record ConfigurationResult(
    ActorLbOptions? Options, ImmutableArray<ConfigurationError> Errors, ImmutableArray<ConfigurationError> Warnings,
    IReadOnlyDictionary<string, SourcePosition> Positions)
{
    /// <summary>
    /// The same options, or after errors what could be read, with defaults and empty names in place of what is wrong: only for finding
    /// further errors. Null when nothing could be read.
    /// </summary>
    public ActorLbOptions? Readable { get; init; } = Options;

    public bool IsWritten(string path) => Positions.ContainsKey(path);

    /// <summary>Where a key's value is written, or otherwise the innermost enclosing block that is.</summary>
    public SourcePosition PositionOf(string path)
    {
        while (!Positions.ContainsKey(path) && path.LastIndexOf('.') is > 0 and var dot) path = path[..dot];
        return Positions.GetValueOrDefault(path, new SourcePosition("", 1, 1));
    }

    /// <summary>The same with further warnings, in the order of the files.</summary>
    public ConfigurationResult WithWarnings(IEnumerable<ConfigurationError> more) => this with { Warnings = Sort(Warnings.Concat(more)) };

    /// <summary>The same with further errors; a key that already has an error is not reported again.</summary>
    public ConfigurationResult WithErrors(IReadOnlyCollection<ConfigurationError> more) => more.Count == 0 ? this : this with
    {
        Options = null,
        Errors = Sort(Errors.Concat(more.Where(m => !Errors.Any(e => e.Path == m.Path)))),
    };

    internal static ImmutableArray<ConfigurationError> Sort(IEnumerable<ConfigurationError> list) =>
        [.. list.OrderBy(e => e.File, StringComparer.Ordinal).ThenBy(e => e.Line).ThenBy(e => e.Column).Distinct()];
}
