using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Import;

/// <summary>The file cannot be read as what it was said to be.</summary>
internal sealed class ImportException(SourcePosition position, string reason) : Exception($"{position}: {reason}")
{
    public SourcePosition Position => position;
}

/// <summary>Limits that keep a wrong file from exhausting memory or time.</summary>
internal static class ImportLimits
{
    public const int Directives = 200_000;

    /// <summary>Nesting of blocks.</summary>
    public const int Nesting = 50;

    /// <summary>Nesting of includes.</summary>
    public const int IncludeNesting = 20;

    public const int Files = 1_000;

    /// <summary>Of all files together, in characters.</summary>
    public const int Characters = 32 << 20;

    /// <summary>Backends of a pool, addresses of a listener's ranges, rules about addresses.</summary>
    public const int Entries = 10_000;
}
