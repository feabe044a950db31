using System.Text.Json.Serialization;
using ActorLb.Hosting;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>First message of the old process: what the new one has inherited, and what it needs to prepare.</summary>
/// <param name="Version">Of these messages: a process with another version prepares nothing.</param>
/// <param name="PidFile">Null when the node has none.</param>
/// <param name="PidDescriptor">The open pid-file, with its lock.</param>
/// <param name="StickyKey">Of a standalone node's map.</param>
internal sealed record UpgradeOffer(int Version, string? PidFile, int PidDescriptor, byte[] StickyKey)
{
    public const int CurrentVersion = 1;
}

/// <param name="Bind">As configured: address and port.</param>
/// <param name="Bound">With the actual port.</param>
internal sealed record OfferedListener(string Name, string Bind, string Bound, int[] Descriptors);

/// <summary>Last message of the old process: it accepts no more clients. The entries of the sticky map follow.</summary>
internal sealed record UpgradeLegacy(OfferedListener[] Listeners, string[] Paused, LegacyBackend[] Backends);

/// <summary>A message of the new process.</summary>
/// <param name="Failure">Why it cannot continue; null when it has completed the step.</param>
internal sealed record UpgradeStep(string Step, string? Failure)
{
    public const string Prepared = "prepared", Serving = "serving";
}

/// <summary>Written beside the pid-file for the node, by <c>actorlb upgrade</c>.</summary>
/// <param name="Id">Repeated in the report.</param>
/// <param name="Command">The program to start, and anything before its arguments: one or two words.</param>
/// <param name="At">When it was written.</param>
internal sealed record UpgradeRequest(string Id, string[] Command, DateTimeOffset At)
{
    /// <summary>It is read at once or not at all.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(30);

    /// <summary>Whether somebody waits for its outcome. One of the future was written before the clock was set back.</summary>
    public bool IsAwaited(DateTimeOffset now) => (now - At).Duration() < Life;
}

/// <summary>The outcome, written beside the pid-file by the old process.</summary>
internal sealed record UpgradeReport(string Id, bool Done, string Message, int Pid);

[JsonSerializable(typeof(UpgradeOffer))]
[JsonSerializable(typeof(UpgradeLegacy))]
[JsonSerializable(typeof(UpgradeStep))]
[JsonSerializable(typeof(UpgradeRequest))]
[JsonSerializable(typeof(UpgradeReport))]
internal sealed partial class UpgradeJson : JsonSerializerContext;
