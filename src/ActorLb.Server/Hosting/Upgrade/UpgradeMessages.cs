using System.Text.Json.Serialization;
using ActorLb.Hosting;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>The first word of the process that goes: what the other one has inherited, and what it needs before it can prepare.</summary>
/// <param name="Version">Of these messages: a process that knows another one prepares nothing.</param>
/// <param name="PidFile">Null when the node has none.</param>
/// <param name="PidDescriptor">The open pid-file, with its lock.</param>
/// <param name="StickyKey">Of the map of a node by itself.</param>
internal sealed record UpgradeOffer(int Version, string? PidFile, int PidDescriptor, byte[] StickyKey)
{
    public const int CurrentVersion = 1;
}

/// <param name="Bind">As configured: address and port.</param>
/// <param name="Bound">With the port in use.</param>
internal sealed record OfferedListener(string Name, string Bind, string Bound, int[] Descriptors);

/// <summary>The last word of the process that goes: it accepts nobody any more. The entries of the sticky map follow.</summary>
internal sealed record UpgradeLegacy(OfferedListener[] Listeners, string[] Paused, LegacyBackend[] Backends);

/// <summary>A word of the process that comes.</summary>
/// <param name="Failure">Why it goes no further; null when it has done the step.</param>
internal sealed record UpgradeStep(string Step, string? Failure)
{
    public const string Prepared = "prepared", Serving = "serving";
}

/// <summary>Left beside the pid-file for the node, by <c>actorlb upgrade</c>.</summary>
/// <param name="Id">Comes back in the report.</param>
/// <param name="Command">The program to start, and what stands before its arguments: one or two words.</param>
/// <param name="At">When it was left.</param>
internal sealed record UpgradeRequest(string Id, string[] Command, DateTimeOffset At)
{
    /// <summary>It is read at once, where it is read at all.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromSeconds(30);
}

/// <summary>What came of it, left beside the pid-file by the process that goes, or stays.</summary>
internal sealed record UpgradeReport(string Id, bool Done, string Message, int Pid);

[JsonSerializable(typeof(UpgradeOffer))]
[JsonSerializable(typeof(UpgradeLegacy))]
[JsonSerializable(typeof(UpgradeStep))]
[JsonSerializable(typeof(UpgradeRequest))]
[JsonSerializable(typeof(UpgradeReport))]
internal sealed partial class UpgradeJson : JsonSerializerContext;
