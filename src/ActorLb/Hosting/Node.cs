using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Effective;
using ActorLb.Fleet;
using ActorLb.Fleet.Inquiries;
using ActorLb.Fleet.Spread;
using ActorLb.Operations;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Standalone;
using ActorLb.Supervision;
using ActorLb.Telemetry;
using ActorLb.Tls;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>
/// One balancer: reactors, listeners, pools and what keeps them. Started with a configuration, changed by another, drained and
/// stopped. Its methods are called one at a time, by the program that runs it.
/// </summary>
internal sealed partial class Node : IAsyncDisposable
{
    /// <summary>How long the end waits for an actor, such as one that renews certificates.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(10);

    private readonly NodeParts _parts;
    private readonly ConfigurationApplier _applier;
    private readonly NodeDrain _drain;
    private readonly PoolReactions _reactions;
    private readonly ResourceWatch _resourceWatch;
    private readonly ClosingCounts _ownCounts;
    private readonly IActorRef _downed;
    private IActorRef? _certificateLooks;

    /// <param name="stickyKey">Of the process whose map this one takes over: 16 bytes. Null makes one.</param>
    public Node(ActorLbOptions options, ILoggerFactory loggers, TimeProvider time, byte[]? stickyKey = null)
    {
        _parts = new NodeParts(options, loggers, time, stickyKey);
        _applier = new ConfigurationApplier(_parts, options, o => Added!.Apply(o));
        var seeding = new StickySeeding(
            () => Member?.Map ?? _parts.LocalSticky.Map, name => _parts.Pools.Find(name)?.Pool, _parts.Names, options.Sticky.MaxEntries, time, _parts.Logger);
        _drain = new NodeDrain(_parts, _applier, seeding);
        _reactions = new PoolReactions(_parts, () => Options.Node.DrainTimeout);
        _parts.Pools.Happened = _reactions.On;
        _downed = _parts.System.System.ActorOf(
            ActorProps.Of(() => new DownedBackendsActor(Reactors, _reactions.Fallen, time, _parts.Logger)), "downed-backends");
        _reactions.Downed = _downed;
        _resourceWatch = new ResourceWatch(_parts.Services, Reactors, _parts.Memory.Read, time, _parts.Logger);
        _ownCounts = new ClosingCounts(time);
        var drains = _parts.System.System.ActorOf(
            ActorProps.Of(() => new DrainActor(() => _parts.Pools.Backends.Select(b => b.Backend), time)), "drains");
        _parts.Operations = new StandaloneOperations(
            options.Node.Name, options.Cluster.Name, options.Sticky, _parts.LocalSticky, _parts.LocalSlots, () => IsReady, () => IsDraining, drains);
        if (options.Cluster.Seeds.IsEmpty) Orders = FleetOrders.InFolder(LocalMember.FolderBelow(options.Node.DataDirectory), time, _parts.Logger);
        Rebalances = new Rebalances(() => Orders);
        Bans = new BanOrders(() => Orders, time);
        Inquiry = new Inquiry(options.Node.Name, !options.Cluster.Seeds.IsEmpty, time, loggers.CreateLogger("ActorLb.Fleet"));
        Sessions = new SessionDirectory(options.Node.Name, Reactors, time);
        FleetSessions = new FleetSessions(
            options.Node.Name, Inquiry, Sessions, () => SessionTotals.Of(options.Node.Name, Reactors, Listeners, Pools));
        Added = new AddedBackends(
            Inquiry, () => Orders, () => Options, _applier.OwnAddress, _applier.ApplyAddedAsync, time, loggers.CreateLogger("ActorLb.Operations"));
        Added.Answer();
        StartedAt = time.GetUtcNow();
    }

    /// <summary>As the file has them.</summary>
    public ActorLbOptions Options => _applier.Options;

    /// <summary>As they run: with what operators have added.</summary>
    public ActorLbOptions RunningOptions => _applier.RunningOptions;

    /// <summary>Of the options in force.</summary>
    public ConfigurationFingerprint Fingerprint => _applier.Fingerprint;

    /// <summary>Client connections that the node takes: the configured number, or what the limit of open files allows.</summary>
    public int Capacity => _applier.Capacity;

    public DateTimeOffset StartedAt { get; }

    public IDataPlane Plane => _parts.Plane;

    public IReadOnlyList<Reactor> Reactors => _parts.Reactors;

    public IEnumerable<Listener> Listeners => _parts.Listeners.All;

    public ListenerSet ListenerSet => _parts.Listeners;

    public IEnumerable<UpstreamPool> Pools => _parts.Pools.Upstreams;

    public NodeAdmission Admission => _parts.Services.Admission;

    /// <summary>Set-ups that are followed step by step; null when none are.</summary>
    public SetupTraces? Traces => _parts.Services.Traces;

    public SetupBudget SetupBudget => _parts.Services.SetupBudget;

    /// <summary>The certificates, authorities and revocation lists in force.</summary>
    public IEnumerable<CertificateUse> Certificates => _parts.Certificates.All;

    /// <summary>Changed TLS files that could not be used.</summary>
    public long CertificateFailures => _applier.Watch.Failures;

    public HandshakePlaces Handshakes => _parts.Services.Handshakes;

    /// <summary>Of a node by itself.</summary>
    public LocalStickyMap Sticky => _parts.LocalSticky;

    /// <summary>What the keys of <see cref="Sticky"/> are made with.</summary>
    public byte[] StickyKey => _parts.StickyKey;

    public AccessLog? AccessLog => _parts.Services.AccessLog;

    /// <summary>Null while it is off.</summary>
    public TakeoverDamping? Damping => _parts.Services.Damping;

    /// <summary>What the access logs could not write since the start.</summary>
    public AccessLogCounters AccessLogCounters => _applier.AccessLogCounters;

    /// <summary>Whether the node takes clients: started, not draining.</summary>
    public bool IsReady => _drain.IsReady;

    public bool IsDraining => _drain.IsDraining;

    /// <summary>What an operator may change or ask that concerns more than this node's own connections.</summary>
    public IOperatorCommands Fleet => _parts.Operations;

    /// <summary>Operators' orders that hold on every node. Of a node in a fleet from its start on.</summary>
    public FleetOrders Orders { get; private set; } = null!;

    /// <summary>Backends that operators have added to the pools of the file.</summary>
    public AddedBackends Added { get; }

    /// <summary>Who may not come in, on any node.</summary>
    public BanOrders Bans { get; }

    public ClientPlaces Places => _parts.Services.Places;

    public Rebalances Rebalances { get; }

    /// <summary>What drains and rebalances at a pace have closed.</summary>
    public ClosingCounts Closings => Member?.Counts.Closings ?? _ownCounts;

    /// <summary>The node's part in a fleet; null when it is by itself.</summary>
    public LocalMember? Member => _parts.Fleet?.Member;

    /// <summary>Asks the nodes of the fleet, this one included; a node by itself asks itself alone.</summary>
    public Inquiry Inquiry { get; }

    /// <summary>The node's own connections, one by one.</summary>
    public SessionDirectory Sessions { get; }

    /// <summary>Those of all nodes.</summary>
    public FleetSessions FleetSessions { get; }

    /// <summary>What happens, for those who watch.</summary>
    public EventFeed Events => _parts.Events;

    /// <summary>The systems of actors that the node runs at the moment.</summary>
    public IReadOnlyList<ActorSystem> ActorSystems =>
        Member?.Host.System is { } fleet ? [_parts.System.System, fleet.System] : [_parts.System.System];

    /// <summary>From the sticky map's names of backends to the backends.</summary>
    public BackendDirectory Directory => _parts.Directory;

    /// <summary>Whether the sessions of every node are known.</summary>
    private bool KnowsAll => Member?.KnowsAllCounts ?? Options.Cluster.Seeds.IsEmpty;

    /// <summary>How far a drain of the backend at a pace is; null without one.</summary>
    public ClosingProgress? ProgressOf(Pool pool, Backend backend) =>
        ClosingProgress.Of(pool, backend, Closings, drain => DrainClosing.IdOf(pool, backend, drain), KnowsAll);

    /// <summary>How far the pool's rebalance is; null without one that is under way or has just ended.</summary>
    public ClosingProgress? ProgressOf(Pool pool) =>
        Rebalances.Shown(pool.Name, _parts.Time.GetUtcNow()) is { } order ? ClosingProgress.Of(pool, order, Closings) : null;

    /// <summary>Such as "mqtt over tls".</summary>
    public static string KindOf(ListenerOptions options) => (options.Tls, options.WebSocket, options.Protocol) switch
    {
        (null, null, ListenerProtocol.Tcp) => "tcp",
        (null, null, _) => "mqtt",
        (null, _, _) => "mqtt over websocket",
        (_, null, ListenerProtocol.Tcp) => "tcp over tls",
        (_, null, _) => "mqtt over tls",
        _ => "mqtt over websocket over tls",
    };

    /// <summary>Binds, resolves and starts.</summary>
    /// <exception cref="IOException">A listener cannot be opened, or the access log: nothing was started.</exception>
    /// <exception cref="TlsConfigurationException">A certificate, key or cipher list is not usable.</exception>
    /// <param name="cancel">Ends the wait for a fleet that is there.</param>
    public async Task StartAsync(CancellationToken cancel = default)
    {
        if (Capacity < Options.Node.MaxConnections) Log.FewOpenFiles(_parts.Logger, Options.Node.MaxConnections, OpenFiles.Limit, Capacity);
        if (!Options.Cluster.Seeds.IsEmpty) EnterFleet();
        var system = _parts.System.System;
        var closings = system.ActorOf(
            ActorProps.Of(() => new PacedClosingsActor(Reactors, _parts.Services, () => Pools.Select(p => p.Pool), Rebalances, Closings, () => KnowsAll, _parts.Time)),
            "paced-closings");
        _reactions.Closings = closings;
        Orders.Changed += () => closings.Tell(PacedClosingsActor.Look.Instance);
        _parts.Plane.Start();
        // What was ordered before holds from the first client on.
        Places.Bans = new BanList(Bans.All(), _parts.Time);
        var bans = system.ActorOf(ActorProps.Of(() => new BansActor(Reactors, Bans.All, Places, _parts.Time, _parts.Logger)), "bans");
        Orders.Changed += () => bans.Tell(BansActor.Look.Instance);
        await _applier.ApplyAsync(Options, cancel).ConfigureAwait(false);
        Added.Begin();
        _certificateLooks = system.ActorOf(ActorProps.Of(() => new CertificateActor(_applier.Watch)), "certificates");
        _resourceWatch.Start();
        _drain.Begin();
        foreach (var listener in Listeners)
        {
            var options = listener.Current.Options;
            if (listener.BoundTo is { } bound) Log.Listening(_parts.Logger, listener.Name, bound, KindOf(options), options.Pool);
        }
        _parts.Legacy.End();
        await _drain.FollowBrokersAsync().ConfigureAwait(false);
    }

    /// <summary>Takes another process's place when it starts. Call it before the start.</summary>
    public void Inherit(NodeLegacy legacy)
    {
        _parts.Listeners.Inherit(legacy.Listeners, legacy.Paused);
        if (Options.Cluster.Seeds.IsEmpty) _parts.Legacy.Expect(legacy.Backends);
    }

    /// <summary>Copies of the listening sockets for another process, which live until they are closed.</summary>
    /// <exception cref="IOException">No descriptor is left, or the data plane hands none over.</exception>
    public ImmutableArray<InheritedListener> LendListeners() => _parts.Listeners.Lend();

    /// <summary>What another process needs to take this one's place.</summary>
    public NodeLegacy Bequeath(ImmutableArray<InheritedListener> lent) => new(
        lent, [.. Listeners.Where(l => l.Paused).Select(l => l.Name)],
        [.. _parts.Pools.Backends.Select(b => new LegacyBackend(
            b.Pool, b.Backend.Id, b.Backend.Reference, b.Backend.AdminState, b.Backend.Weight == b.Backend.Options.Weight ? null : b.Backend.Weight,
            b.Backend.DrainLeft?.TotalSeconds, b.Backend.Pacing?.Rate, b.Backend.Pacing is { IsPaused: true }))]);

    /// <summary>Puts a configuration into force, whole or not at all.</summary>
    /// <param name="cancel">Gives up while files are still being read: nothing is in force then.</param>
    /// <returns>Warnings: settings that only a restart changes.</returns>
    /// <exception cref="IOException">The old configuration stays in force.</exception>
    /// <exception cref="TlsConfigurationException">The old configuration stays in force.</exception>
    public async Task<ImmutableArray<string>> ReloadAsync(ActorLbOptions options, CancellationToken cancel = default)
    {
        ActorLbOptions old = Options, before = RunningOptions;
        await _applier.ApplyAsync(options, cancel).ConfigureAwait(false);
        await _applier.ForgetAsync(Named(before).Except(Named(RunningOptions))).ConfigureAwait(false);
        await Added.ReviewAsync(cancel).ConfigureAwait(false);
        if (IsReady) await _drain.FollowBrokersAsync().ConfigureAwait(false);
        ReopenLogs();
        Events.Publish("config_applied", "a new configuration is in force");
        return ConfigurationDiff.Between(old, options).RestartRequired;
    }

    /// <summary>Opens log files again, for rotation. From any thread, at any time.</summary>
    public void ReopenLogs() => AccessLog?.Reopen();

    /// <inheritdoc cref="NodeDrain.DrainAsync"/>
    public Task DrainAsync(TimeSpan within, CancellationToken cancel) => _drain.DrainAsync(within, cancel);

    /// <inheritdoc cref="NodeDrain.StopAcceptingAsync"/>
    public Task StopAcceptingAsync(TimeSpan within) => _drain.StopAcceptingAsync(within);

    /// <inheritdoc cref="NodeDrain.TakeBackAsync"/>
    public Task TakeBackAsync(ImmutableArray<InheritedListener> lent, CancellationToken cancel) => _drain.TakeBackAsync(lent, cancel);

    /// <inheritdoc cref="NodeDrain.ResumeAsync"/>
    public Task<int> ResumeAsync(CancellationToken cancel) => _drain.ResumeAsync(cancel);

    /// <summary>Closes a listener's sockets, or opens them again.</summary>
    /// <exception cref="IOException">It cannot be opened and stays paused.</exception>
    public Task SetPausedAsync(Listener listener, bool paused) =>
        paused ? _parts.Listeners.PauseAsync(listener) : _parts.Listeners.ResumeAsync(listener, _applier.TcpOf);

    public async ValueTask DisposeAsync()
    {
        await _drain.EndAsync().ConfigureAwait(false);
        // A renewal under way uses what is disposed of below.
        if (_certificateLooks is { } looks) await StopAsync(looks, CertificateActor.Stop.Instance).ConfigureAwait(false);
        await Added.DisposeAsync().ConfigureAwait(false);
        await _resourceWatch.DisposeAsync().ConfigureAwait(false);
        await StopAsync(_downed, PoisonPill.Instance).ConfigureAwait(false);
        if (!_reactions.Closings.IsNobody()) await StopAsync(_reactions.Closings, PoisonPill.Instance).ConfigureAwait(false);
        await _parts.Plane.DisposeAsync().ConfigureAwait(false);
        await _parts.Pools.StopAsync().ConfigureAwait(false);
        await _parts.System.DisposeAsync().ConfigureAwait(false);
        foreach (var pool in Pools) pool.Tls?.Dispose();
        if (AccessLog is { } log) await log.DisposeAsync().ConfigureAwait(false);
        if (_parts.Fleet is { } fleet) await fleet.DisposeAsync().ConfigureAwait(false);
        _parts.LocalSticky.Dispose();
        _parts.Services.LogLimit.Dispose();
        _applier.Dispose();
    }

    private static async Task StopAsync(IActorRef actor, object message)
    {
        try
        {
            await actor.GracefulStop(StopPatience, message).ConfigureAwait(false);
        }
        catch (TaskCanceledException)
        {
            // It stops with its system.
        }
    }

    private void EnterFleet()
    {
        var fleet = new FleetBackends(
            Options, _parts.Slots, _parts.Directory, () => _parts.Pools.Backends, Inquiry, Events, _parts.Time, _parts.Loggers);
        fleet.Member.Spread.Tickets.Changed = keys => CertificateInventory.ShareTicketKeys(keys, Listeners.Select(l => l.Current));
        fleet.NodesCounted = _parts.Pools.SetNodes;
        _parts.Fleet = fleet;
        _parts.Services.Sticky = fleet.Member.Map;
        _parts.Operations = new FleetOperations(fleet.Member, Options.Sticky, () => IsDraining, _parts.Time);
        Orders = fleet.Member.Spread.Orders;
    }

    /// <summary>Backends that the file names. What DNS finds comes and goes by itself and is not meant: an answer may hold a part.</summary>
    private static IEnumerable<(string Pool, string Id)> Named(ActorLbOptions options) =>
        from pool in options.Pools.Values from backend in pool.Backends select (pool.Name, AddressText.Format(backend.Address));

    private static partial class Log
    {
        [LoggerMessage(2201, LogLevel.Information, "listener {Listener} accepts {Kind} on {Address} for pool {Pool}")]
        public static partial void Listening(ILogger logger, string listener, System.Net.IPEndPoint address, string kind, string pool);

        [LoggerMessage(2202, LogLevel.Warning, "node.max-connections = {Wanted} needs two open files per client, but the limit is {Limit}: this node accepts {Capacity} clients; raise the limit (ulimit -n, LimitNOFILE)")]
        public static partial void FewOpenFiles(ILogger logger, int wanted, long limit, int capacity);
    }
}
