using ActorLb.Health;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>What the steps of all reactors share. Settings that a reload changes are replaced whole, by the control plane.</summary>
internal sealed class NodeServices
{
    public NodeServices(NodeAdmission admission, IStickyMap sticky, BackendDirectory backends, ILoggerFactory loggers, TimeProvider time)
    {
        Admission = admission;
        Places = new ClientPlaces(admission);
        Sticky = sticky;
        Backends = backends;
        Time = time;
        Logger = loggers.CreateLogger("ActorLb.Proxying");
        LogLimit = new LogLimit(Logger, time);
        Refused = new RefusalLog(Logger, LogLimit);
    }

    public NodeAdmission Admission { get; }

    public ClientPlaces Places { get; }

    /// <summary>Bounds the log lines that any client can cause.</summary>
    public LogLimit LogLimit { get; }

    public RefusalLog Refused { get; }

    /// <summary>How many reactors there are.</summary>
    public int Reactors { get; init; } = 1;

    /// <summary>Set before the reactors start.</summary>
    public IStickyMap Sticky { get; set; }

    public BackendDirectory Backends { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public HandshakePlaces Handshakes { get; } = new(1);

    /// <summary>What sessions without CONNACK may hold.</summary>
    public SetupBudget SetupBudget { get; } = new();

    /// <summary>Knows the node's own probes among the clients.</summary>
    public OwnProbes Probes { get; init; } = new("");

    /// <summary>Knows the node's own connections by their PROXY headers.</summary>
    public AnnouncedClients Announced { get; } = new();

    /// <summary>Null is off.</summary>
    public Telemetry.SetupTraces? Traces { get; init; }

    /// <summary>Null is off.</summary>
    public volatile AccessLog? AccessLog;

    /// <summary>Null is off.</summary>
    public volatile TakeoverDamping? Damping;

    /// <summary>Whether a drained session's broker gets a clean DISCONNECT, so that it publishes no Will.</summary>
    public volatile bool SuppressWill;

    /// <summary>Server Reference of a drain's DISCONNECT; empty sends none.</summary>
    public volatile byte[] ServerReferenceUtf8 = [];
}
