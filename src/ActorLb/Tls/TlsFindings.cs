namespace ActorLb.Tls;

/// <summary>What the building of a context finds out about its settings and files.</summary>
internal sealed class TlsFindings
{
    /// <summary>What cannot be used.</summary>
    internal List<TlsProblem> Problems { get; } = [];

    /// <summary>What can be used but will surprise.</summary>
    internal List<TlsProblem> Warnings { get; } = [];

    internal List<DatedEntry> Dated { get; } = [];

    internal void Warn(TlsSetting setting, string path, string reason) => Warnings.Add(new TlsProblem(setting, path, reason));
}
