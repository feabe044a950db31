using ActorLb.Proxying.Tls;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>What the steps of all reactors share. Settings that a reload changes are replaced whole, by the control plane.</summary>
internal sealed class NodeServices(NodeAdmission admission, IStickyMap sticky, BackendDirectory backends, ILoggerFactory loggers, TimeProvider time)
{
    public NodeAdmission Admission { get; } = admission;

    /// <summary>Set before the reactors start.</summary>
    public IStickyMap Sticky { get; set; } = sticky;

    public BackendDirectory Backends { get; } = backends;

    public TimeProvider Time { get; } = time;

    public ILogger Logger { get; } = loggers.CreateLogger("ActorLb.Proxying");

    public HandshakePlaces Handshakes { get; } = new(1);

    /// <summary>What sessions without CONNACK may hold.</summary>
    public SetupBudget SetupBudget { get; } = new();

    /// <summary>Null is off.</summary>
    public volatile AccessLog? AccessLog;

    /// <summary>Whether a drained session's broker gets a clean DISCONNECT, so that it publishes no Will.</summary>
    public volatile bool SuppressWill;

    /// <summary>Server Reference of a drain's DISCONNECT; empty sends none.</summary>
    public volatile byte[] ServerReferenceUtf8 = [];
}
