using System.Collections.Immutable;

namespace ActorLb.Tls;

/// <summary>TLS settings or files that cannot be used: every problem found, each naming the file or the setting and the reason.</summary>
public sealed class TlsConfigurationException(ImmutableArray<TlsProblem> problems) : Exception(string.Join("; ", problems))
{
    public ImmutableArray<TlsProblem> Problems { get; } = problems;

    /// <summary>What a context would have brought with it: errors hide no warnings.</summary>
    internal ImmutableArray<TlsProblem> Warnings { get; init; } = [];

    internal ImmutableArray<DatedEntry> Dated { get; init; } = [];
}
