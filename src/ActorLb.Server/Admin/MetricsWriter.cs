using ActorLb.Telemetry;

namespace ActorLb.Server.Admin;

/// <summary>
/// Takes the node's metrics, family by family. Each is defined once, by the call that names it; the writer decides whether it becomes a
/// line of the page or a message to a collector.
/// </summary>
internal abstract class MetricsWriter
{
    /// <summary>Begins a family: what is written next belongs to it.</summary>
    /// <param name="type">counter, gauge or histogram.</param>
    /// <param name="help">A sentence for people.</param>
    public abstract void Family(string name, string type, string help);

    /// <summary>One series of the family.</summary>
    public abstract void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels);

    /// <summary>One series of a family of histograms.</summary>
    public abstract void Histogram(string name, Histogram histogram, params ReadOnlySpan<(string Name, string Value)> labels);

    public void Single(string name, string type, string help, double value)
    {
        Family(name, type, help);
        Sample(name, value);
    }
}
