using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration;

/// <summary>Collects the findings of one load: all errors, warnings, and the known keys.</summary>
internal sealed class ConfigurationReport(string rootFile)
{
    private readonly List<ConfigurationError> _errors = [];
    private readonly List<ConfigurationError> _warnings = [];
    private readonly HashSet<string> _knownKeys = [];
    private readonly Dictionary<string, SourcePosition> _positions = [];
    private readonly HashSet<SourcePosition> _spoiled = [];

    /// <summary>The main file: defaults are relative to its directory.</summary>
    public string RootFile => rootFile;

    /// <summary>Part of the configuration could not be read: a missing key may be in it.</summary>
    public bool Incomplete { get; set; }

    public bool HasErrors => _errors.Count > 0;

    /// <summary>Every key that was looked up, including names of pools and listeners, and indices.</summary>
    public IReadOnlyCollection<string> KnownKeys => _knownKeys;

    public ImmutableArray<ConfigurationError> Errors => ConfigurationResult.Sort(_errors);

    public ImmutableArray<ConfigurationError> Warnings => ConfigurationResult.Sort(_warnings);

    /// <summary>Where the values of known keys are written; keys that are not in the file have none.</summary>
    public IReadOnlyDictionary<string, SourcePosition> Positions => _positions;

    public void Know(string path, SourcePosition? written)
    {
        _knownKeys.Add(path);
        if (written is { } position) _positions[path] = position;
    }

    /// <summary>Where an element of a list is written.</summary>
    public void Locate(string path, SourcePosition position) => _positions[path] = position;

    public void Error(SourcePosition position, string path, string? value, string reason)
    {
        if (!_spoiled.Contains(position)) _errors.Add(new ConfigurationError(position, path, value, reason));
    }

    /// <summary>An error in how a value is written; any error in the value itself would only follow from it.</summary>
    public void Spoil(SourcePosition position, string path, string reason)
    {
        Error(position, path, null, reason);
        _spoiled.Add(position);
    }

    /// <summary>An error in a value, which is quoted if it is a scalar.</summary>
    public void Error(HoconValue value, string path, string reason) =>
        Error(value.Position, path, value is HoconScalar scalar ? AddressUrl.Mask(scalar.Text) : null, reason);

    public void Warn(SourcePosition position, string path, string? value, string reason) =>
        _warnings.Add(new ConfigurationError(position, path, value, reason));
}
