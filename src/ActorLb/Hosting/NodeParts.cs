using System.Security.Cryptography;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Health;
using ActorLb.Native;
using ActorLb.Operations;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Proxying.Streams;
using ActorLb.Standalone;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>What a node is made of, put together once. Nothing runs yet, and no socket is open.</summary>
internal sealed class NodeParts
{
    /// <param name="stickyKey">Of the process whose map this one takes over: 16 bytes. Null makes one.</param>
    public NodeParts(ActorLbOptions options, ILoggerFactory loggers, TimeProvider time, byte[]? stickyKey)
    {
        Loggers = loggers;
        Logger = loggers.CreateLogger("ActorLb.Node");
        Time = time;
        Slots = new BackendSlots();
        LocalSlots = new LocalBackendSlots(Slots, Directory);
        Legacy = new LegacyBackends(LocalSlots);
        StickyKey = stickyKey ?? RandomNumberGenerator.GetBytes(16);
        LocalSticky = new LocalStickyMap(StickyKey, options.Sticky.Ttl, options.Sticky.MaxEntries, Slots, time);
        int workers = options.Node.Workers == 0 ? Environment.ProcessorCount : options.Node.Workers;
        int capacity = ConfigurationApplier.CapacityOf(options, options, workers);
        Services = new NodeServices(new NodeAdmission(capacity, NodeAdmission.RefusedOnEach(workers)), LocalSticky, Directory, loggers, time)
        {
            Probes = new OwnProbes(options.Node.Name),
            Traces = options.Telemetry.Otlp is { Endpoint: not null, Sample: > 0 and var sample } ? new SetupTraces(sample, time) : null,
            Reactors = workers,
        };
        var flow = new SessionFlow(Services);
        DataPlane = options.Node.DataPlane;
        Plane = DataPlane == DataPlaneKind.Streams
            ? new StreamsPlane(workers, flow, Services.Logger) : new EpollPlane(workers, flow, Services.Logger);
        Listeners = new ListenerSet(Plane);
        System = new NodeSystem(loggers, time);
        Events = new EventFeed(options.Node.Name, time);
        Pools = new NodePools(System.System, Names, Services.Probes, new EmptyPools(Logger, Events), () => Fleet?.Nodes ?? 1, time, loggers);
        Certificates = new CertificateInventory(Listeners, Pools, time, Logger);
    }

    public ILoggerFactory Loggers { get; }

    public ILogger Logger { get; }

    public TimeProvider Time { get; }

    public NodeServices Services { get; }

    public DataPlaneKind DataPlane { get; }

    public IDataPlane Plane { get; }

    public IReadOnlyList<Reactor> Reactors => Plane.Reactors;

    public ListenerSet Listeners { get; }

    public NodePools Pools { get; }

    public CertificateInventory Certificates { get; }

    /// <summary>The control plane's actors.</summary>
    public NodeSystem System { get; }

    public NameResolution Names { get; } = NameResolution.OfSystem();

    public SystemMemory Memory { get; } = new();

    public EventFeed Events { get; }

    /// <summary>From the sticky map's names of backends to the backends.</summary>
    public BackendDirectory Directory { get; } = new();

    public BackendSlots Slots { get; }

    // Of a node by itself.
    public LocalBackendSlots LocalSlots { get; }

    public LocalStickyMap LocalSticky { get; }

    /// <summary>What the keys of <see cref="LocalSticky"/> are made with.</summary>
    public byte[] StickyKey { get; }

    /// <summary>What the process before this one knew of its backends.</summary>
    public LegacyBackends Legacy { get; }

    /// <summary>Null on a node by itself; set once, before anything runs.</summary>
    public FleetBackends? Fleet { get; set; }

    /// <summary>Operators' changes; set once, before anything runs.</summary>
    public IOperatorCommands Operations { get; set; } = null!;

    /// <summary>Gives backends that are new their slots in the sticky map.</summary>
    public void UpdateSlots()
    {
        if (Fleet is { } fleet) fleet.BackendsMayHaveChanged();
        else UpdateLocalSlots();
    }

    public void UpdateLocalSlots()
    {
        Legacy.Name(Pools.BackendsByPool);
        LocalSlots.Update(Pools.Backends.Select(b => b.Backend));
    }
}
