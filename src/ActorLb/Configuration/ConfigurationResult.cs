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
/// <param name="Errors">All of them, in the order of the files; a syntax error is the only one.</param>
/// <param name="Warnings">What is allowed but hardly meant.</param>
/// <param name="Positions">Of the values that are written, by the paths of their keys: for errors that only their use finds.</param>
internal sealed record ConfigurationResult(
    ActorLbOptions? Options, ImmutableArray<ConfigurationError> Errors, ImmutableArray<ConfigurationError> Warnings,
    IReadOnlyDictionary<string, SourcePosition> Positions);
