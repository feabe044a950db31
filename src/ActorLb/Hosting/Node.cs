using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Checks;
using ActorLb.Configuration.Effective;
using ActorLb.Discovery;
using ActorLb.Fleet;
using ActorLb.Fleet.Inquiries;
using ActorLb.Fleet.Spread;
using ActorLb.Health;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Operations;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Proxying.Streams;
using ActorLb.Standalone;
using ActorLb.Sticky;
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
    /// <summary>How long a start or reload waits for the first addresses of host names.</summary>
    private static readonly TimeSpan ResolveWait = TimeSpan.FromSeconds(3);

    /// <summary>How long the end waits for an actor, such as one that renews certificates.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(10);

    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly BackendDirectory _directory = new();
    private readonly BackendSlots _slots;
    private readonly LocalBackendSlots _localSlots;
    private readonly LocalStickyMap _localSticky;
    private readonly LegacyBackends _legacy;
    private readonly NodeServices _services;
    private readonly DataPlaneKind _dataPlane;
    private readonly IDataPlane _plane;
    private readonly IReadOnlyList<Reactor> _reactors;
    private readonly ListenerSet _listeners;
    private readonly NameResolution _names;
    private readonly NodeSystem _system;
    private readonly CertificateWatch _certificateWatch;
    private readonly SystemMemory _memory = new();
    private readonly ResourceWatch _resourceWatch;
    private readonly IActorRef _downed;
    private readonly ClosingCounts _ownCounts;
    private IActorRef _closings = ActorRefs.Nobody;
    private readonly EmptyPools _emptyPools;
    private readonly StickySeeding _seeding;
    private IActorRef? _certificateLooks;

    // A changed certificate is applied by the watch, everything else by the program that runs the node.
    private readonly SemaphoreSlim _applying = new(1, 1);
    private readonly int _ephemeralPorts = SourceAddresses.ReadEphemeralPorts();
    private ImmutableDictionary<string, PoolEntry> _pools = ImmutableDictionary<string, PoolEntry>.Empty.WithComparers(StringComparer.Ordinal);
    private ActorLbOptions _options;

    // Replaced whole; the pools' actors read it.
    private volatile ImmutableDictionary<IPEndPoint, string> _bound = ImmutableDictionary<IPEndPoint, string>.Empty;

    // Null on a node by itself; set once, before anything runs.
    private FleetBackends? _fleet;

    /// <param name="stickyKey">Of the process whose map this one takes over: 16 bytes. Null makes one.</param>
    public Node(ActorLbOptions options, ILoggerFactory loggers, TimeProvider time, byte[]? stickyKey = null)
    {
        _options = options;
        Fingerprint = ConfigurationFingerprint.Of(options);
        _loggers = loggers;
        _logger = loggers.CreateLogger("ActorLb.Node");
        _time = time;
        _names = NameResolution.OfSystem();
        _slots = new BackendSlots();
        _localSlots = new LocalBackendSlots(_slots, _directory);
        _legacy = new LegacyBackends(_localSlots);
        StickyKey = stickyKey ?? RandomNumberGenerator.GetBytes(16);
        _localSticky = new LocalStickyMap(StickyKey, options.Sticky.Ttl, options.Sticky.MaxEntries, _slots, time);
        int workers = options.Node.Workers == 0 ? Environment.ProcessorCount : options.Node.Workers;
        Capacity = OpenFiles.Fit(options.Node.MaxConnections, options.Listeners.Count, workers, OpenFiles.Limit, ProbesOf(options));
        _services = new NodeServices(new NodeAdmission(Capacity, NodeAdmission.RefusedOnEach(workers)), _localSticky, _directory, loggers, time)
        {
            Probes = new OwnProbes(options.Node.Name),
            Traces = options.Telemetry.Otlp is { Endpoint: not null, Sample: > 0 and var sample } ? new SetupTraces(sample, time) : null,
            Reactors = workers,
        };
        var flow = new SessionFlow(_services);
        _dataPlane = options.Node.DataPlane;
        _plane = _dataPlane == DataPlaneKind.Streams
            ? new StreamsPlane(workers, flow, _services.Logger) : new EpollPlane(workers, flow, _services.Logger);
        _reactors = _plane.Reactors;
        _listeners = new ListenerSet(_plane);
        _system = new NodeSystem(loggers, time);
        _downed = _system.System.ActorOf(ActorProps.Of(() => new DownedBackendsActor(_reactors, Fallen, time, _logger)), "downed-backends");
        _ownCounts = new ClosingCounts(time);
        Rebalances = new Rebalances(() => Orders);
        _certificateWatch = new CertificateWatch(time, _logger, RenewCertificatesAsync, () => Certificates);
        _resourceWatch = new ResourceWatch(_services, _reactors, _memory.Read, time, _logger);
        Events = new EventFeed(options.Node.Name, time);
        _emptyPools = new EmptyPools(_logger, Events);
        IActorRef drains = _system.System.ActorOf(ActorProps.Of(() => new DrainActor(() => AllBackends().Select(b => b.Backend), time)), "drains");
        Fleet = new LoneNode(options.Node.Name, options.Cluster.Name, options.Sticky, _localSticky, _localSlots, () => IsReady, () => IsDraining, drains);
        Inquiry = new Inquiry(options.Node.Name, !options.Cluster.Seeds.IsEmpty, time, loggers.CreateLogger("ActorLb.Fleet"));
        Sessions = new SessionDirectory(options.Node.Name, _reactors, time);
        FleetSessions = new FleetSessions(
            options.Node.Name, Inquiry, Sessions, () => SessionTotals.Of(options.Node.Name, _reactors, _listeners.All, Pools));
        Added = new AddedBackends(Inquiry, () => Orders, () => _options, OwnAddress, ApplyAddedAsync, time, loggers.CreateLogger("ActorLb.Operations"));
        Added.Answer();
        Bans = new BanOrders(() => Orders, time);
        if (options.Cluster.Seeds.IsEmpty) Orders = FleetOrders.InFolder(LocalMember.FolderBelow(options.Node.DataDirectory), time, _logger);
        _seeding = new StickySeeding(
            () => Member?.Map ?? _localSticky.Map, name => _pools.TryGetValue(name, out PoolEntry? entry) ? entry.Upstream.Pool : null, _names,
            options.Sticky.MaxEntries, time, _logger);
        StartedAt = time.GetUtcNow();
    }

    private sealed record PoolEntry(UpstreamPool Upstream, PoolControl Control);

    /// <summary>As the file has them.</summary>
    public ActorLbOptions Options => _options;

    /// <summary>As they run: with what operators have added.</summary>
    public ActorLbOptions RunningOptions => Added.Apply(_options);

    /// <summary>Of the options in force.</summary>
    public ConfigurationFingerprint Fingerprint { get; private set; }

    /// <summary>Client connections that the node takes: the configured number, or what the limit of open files allows.</summary>
    public int Capacity { get; private set; }

    public DateTimeOffset StartedAt { get; }

    public IDataPlane Plane => _plane;

    public IReadOnlyList<Reactor> Reactors => _reactors;

    public IEnumerable<Listener> Listeners => _listeners.All;

    public IEnumerable<UpstreamPool> Pools => _pools.Values.Select(p => p.Upstream);

    public NodeAdmission Admission => _services.Admission;

    /// <summary>Set-ups that are followed step by step; null when none are.</summary>
    public SetupTraces? Traces => _services.Traces;

    public SetupBudget SetupBudget => _services.SetupBudget;

    /// <summary>The certificates, authorities and revocation lists in force.</summary>
    public IEnumerable<CertificateUse> Certificates
    {
        get
        {
            foreach (Listener listener in _listeners.All)
            {
                foreach (DatedEntry certificate in listener.Current.Tls?.Dated ?? [])
                {
                    yield return new CertificateUse("listener", listener.Name, certificate);
                }
            }
            foreach (UpstreamPool pool in Pools)
            {
                foreach (DatedEntry certificate in pool.Tls?.Dated ?? []) yield return new CertificateUse("pool", pool.Name, certificate);
            }
        }
    }

    /// <summary>Changed TLS files that could not be used.</summary>
    public long CertificateFailures => _certificateWatch.Failures;

    public HandshakePlaces Handshakes => _services.Handshakes;

    /// <summary>Of a node by itself.</summary>
    public LocalStickyMap Sticky => _localSticky;

    /// <summary>What the keys of <see cref="Sticky"/> are made with.</summary>
    public byte[] StickyKey { get; }

    public AccessLog? AccessLog => _services.AccessLog;

    /// <summary>Null while it is off.</summary>
    public TakeoverDamping? Damping => _services.Damping;

    /// <summary>What the access logs could not write since the start.</summary>
    public AccessLogCounters AccessLogCounters { get; } = new();

    /// <summary>Whether the node takes clients: started, not draining.</summary>
    public bool IsReady { get; private set; }

    public bool IsDraining => _services.Admission.Draining;

    public ListenerSet ListenerSet => _listeners;

    /// <summary>What an operator may change or ask that concerns more than this node's own connections.</summary>
    public IFleetOperations Fleet { get; private set; }

    /// <summary>Operators' orders that hold on every node. Of a node in a fleet from its start on.</summary>
    public FleetOrders Orders { get; private set; } = null!;

    /// <summary>Backends that operators have added to the pools of the file.</summary>
    public AddedBackends Added { get; }

    /// <summary>Who may not come in, on any node.</summary>
    public BanOrders Bans { get; }

    public ClientPlaces Places => _services.Places;

    public Rebalances Rebalances { get; }

    /// <summary>What drains and rebalances at a pace have closed.</summary>
    public ClosingCounts Closings => Member?.Counts.Closings ?? _ownCounts;

    /// <summary>Whether the sessions of every node are known.</summary>
    private bool KnowsAll => Member?.KnowsAllCounts ?? _options.Cluster.Seeds.IsEmpty;

    /// <summary>How far a drain of the backend at a pace is; null without one.</summary>
    public ClosingProgress? ProgressOf(Pool pool, Backend backend) =>
        ClosingProgress.Of(pool, backend, Closings, drain => DrainClosing.IdOf(pool, backend, drain), KnowsAll);

    /// <summary>How far the pool's rebalance is; null without one that is under way or has just ended.</summary>
    public ClosingProgress? ProgressOf(Pool pool) =>
        Rebalances.Shown(pool.Name, _time.GetUtcNow()) is { } order ? ClosingProgress.Of(pool, order, Closings) : null;

    /// <summary>The node's part in a fleet; null when it is by itself.</summary>
    public LocalMember? Member => _fleet?.Member;

    /// <summary>Asks the nodes of the fleet, this one included; a node by itself asks itself alone.</summary>
    public Inquiry Inquiry { get; }

    /// <summary>The node's own connections, one by one.</summary>
    public SessionDirectory Sessions { get; }

    /// <summary>Those of all nodes.</summary>
    public FleetSessions FleetSessions { get; }

    /// <summary>What happens, for those who watch.</summary>
    public EventFeed Events { get; }

    /// <summary>The systems of actors that the node runs at the moment.</summary>
    public IReadOnlyList<ActorSystem> ActorSystems => Member?.Host.System is { } fleet ? [_system.System, fleet.System] : [_system.System];

    /// <summary>From the sticky map's names of backends to the backends.</summary>
    public BackendDirectory Directory => _directory;

    /// <summary>Such as "mqtt over tls".</summary>
    public static string KindOf(ListenerOptions options) => Describe(options);

    /// <summary>Binds, resolves and starts.</summary>
    /// <exception cref="IOException">A listener cannot be opened, or the access log: nothing was started.</exception>
    /// <exception cref="TlsConfigurationException">A certificate, key or cipher list is not usable.</exception>
    /// <param name="cancel">Ends the wait for a fleet that is there.</param>
    public async Task StartAsync(CancellationToken cancel = default)
    {
        WarnOfOpenFiles();
        if (!_options.Cluster.Seeds.IsEmpty) EnterFleet();
        _closings = _system.System.ActorOf(
            ActorProps.Of(() => new PacedClosingsActor(_reactors, _services, () => Pools.Select(p => p.Pool), Rebalances, Closings, () => KnowsAll, _time)), "paced-closings");
        Orders.Changed += () => _closings.Tell(PacedClosingsActor.Look.Instance);
        _plane.Start();
        // What was ordered before holds from the first client on.
        _services.Places.Bans = new BanList(Bans.All(), _time);
        IActorRef bans = _system.System.ActorOf(ActorProps.Of(() => new BansActor(_reactors, Bans.All, _services.Places, _time, _logger)), "bans");
        Orders.Changed += () => bans.Tell(BansActor.Look.Instance);
        await ApplyAsync(_options, cancel).ConfigureAwait(false);
        Added.Begin();
        _certificateLooks = _system.System.ActorOf(ActorProps.Of(() => new CertificateActor(_certificateWatch)), "certificates");
        _resourceWatch.Start();
        IsReady = true;
        foreach (Listener listener in _listeners.All)
        {
            ListenerOptions options = listener.Current.Options;
            if (listener.BoundTo is { } bound) Log.Listening(_logger, listener.Name, bound, Describe(options), options.Pool);
        }
        _legacy.End();
        await _seeding.FollowAsync(_options.Pools.Values).ConfigureAwait(false);
    }

    /// <summary>Takes another process's place when it starts: to be told before.</summary>
    public void Inherit(NodeLegacy legacy)
    {
        _listeners.Inherit(legacy.Listeners, legacy.Paused);
        if (_options.Cluster.Seeds.IsEmpty) _legacy.Expect(legacy.Backends);
    }

    /// <summary>Copies of the listening sockets for another process, which live until they are closed.</summary>
    /// <exception cref="IOException">No descriptor is left, or the data plane hands none over.</exception>
    public ImmutableArray<InheritedListener> LendListeners() => _listeners.Lend();

    /// <summary>What another process needs to take this one's place.</summary>
    public NodeLegacy Bequeath(ImmutableArray<InheritedListener> lent) => new(
        lent, [.. _listeners.All.Where(l => l.Paused).Select(l => l.Name)],
        [.. AllBackends().Select(b => new LegacyBackend(
            b.Pool, b.Backend.Id, b.Backend.Reference, b.Backend.AdminState, b.Backend.Weight == b.Backend.Options.Weight ? null : b.Backend.Weight,
            b.Backend.DrainLeft?.TotalSeconds, b.Backend.Pacing?.Rate, b.Backend.Pacing is { IsPaused: true }))]);

    /// <summary>Puts a configuration into force, whole or not at all.</summary>
    /// <param name="cancel">Gives up while files are still being read: nothing is in force then.</param>
    /// <returns>Warnings: settings that only a restart changes.</returns>
    /// <exception cref="IOException">The old configuration stays in force.</exception>
    /// <exception cref="TlsConfigurationException">The old configuration stays in force.</exception>
    public async Task<ImmutableArray<string>> ReloadAsync(ActorLbOptions options, CancellationToken cancel = default)
    {
        ActorLbOptions old = _options, before = RunningOptions;
        await ApplyAsync(options, cancel).ConfigureAwait(false);
        await ForgetAsync(Removed(before, RunningOptions)).ConfigureAwait(false);
        await Added.ReviewAsync(cancel).ConfigureAwait(false);
        if (IsReady) await _seeding.FollowAsync(options.Pools.Values).ConfigureAwait(false);
        ReopenLogs();
        Events.Publish("config_applied", "a new configuration is in force");
        return ConfigurationDiff.Between(old, options).RestartRequired;
    }

    /// <summary>Opens log files again, for rotation. From any thread, at any time.</summary>
    public void ReopenLogs() => _services.AccessLog?.Reopen();

    /// <summary>Leaves the fleet, stops accepting and closes what is open, paced over what is left of <paramref name="within"/>.</summary>
    public async Task DrainAsync(TimeSpan within, CancellationToken cancel)
    {
        IsReady = false;
        long start = _time.GetTimestamp();
        await _seeding.DisposeAsync().ConfigureAwait(false);
        await LeaveFleetAsync(within).ConfigureAwait(false);
        _services.Admission.Draining = true;
        await _listeners.CloseAllAsync().ConfigureAwait(false);
        await CloseClientsAsync(within - _time.GetElapsedTime(start), cancel).ConfigureAwait(false);
    }

    /// <summary>Leaves the fleet and stops accepting, for a process that goes on with the listening sockets. Who was accepted is served.</summary>
    /// <param name="within">Half of it is for the fleet, at most.</param>
    public async Task StopAcceptingAsync(TimeSpan within)
    {
        IsReady = false;
        await _seeding.DisposeAsync().ConfigureAwait(false);
        await LeaveFleetAsync(within).ConfigureAwait(false);
        await _listeners.CloseAllAsync().ConfigureAwait(false);
    }

    /// <summary>Goes on after <see cref="StopAcceptingAsync"/>, with the sockets that were lent: no other process did.</summary>
    /// <exception cref="IOException">A listener cannot be opened: the node stays as it is.</exception>
    public Task TakeBackAsync(ImmutableArray<InheritedListener> lent, CancellationToken cancel)
    {
        _listeners.Inherit(lent, []);
        return ResumeAsync(cancel);
    }

    private async Task CloseClientsAsync(TimeSpan within, CancellationToken cancel)
    {
        DisconnectReason reason = _services.ServerReferenceUtf8.Length > 0 ? DisconnectReason.UseAnotherServer : DisconnectReason.ServerShuttingDown;
        Log.Draining(_logger, _services.Admission.Active, within.TotalSeconds);
        Events.Publish("node_draining", $"{_services.Admission.Active} connections close within {within.TotalSeconds} s");
        await new NodeDrain(_reactors, () => OpenClients, _time).CloseAsync(within, reason, cancel).ConfigureAwait(false);
    }

    /// <summary>The others take over this node's shards while it still answers for them.</summary>
    private Task LeaveFleetAsync(TimeSpan within) => _fleet is null ? Task.CompletedTask : _fleet.Member.Host.LeaveAsync(within / 2);

    /// <summary>Takes clients again after a drain, or within one: opens the listeners where they were, and joins the fleet again first.</summary>
    /// <exception cref="IOException">A listener cannot be opened: the node stays drained.</exception>
    /// <param name="cancel">Ends the wait for a fleet that is there.</param>
    /// <returns>Connections that the drain had left.</returns>
    public async Task<int> ResumeAsync(CancellationToken cancel)
    {
        int stayed;
        await _applying.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            using ListenerSet.Opened opened = _listeners.Open(_options.Listeners.Values, TcpOf);
            if (_fleet is not null) await _fleet.RejoinAsync(cancel).ConfigureAwait(false);
            stayed = _services.Admission.Active;
            _services.Admission.Draining = false;
            await _listeners.ApplyAsync([.. _listeners.All.Select(l => (l.Current.Options, l))], opened, TcpOf).ConfigureAwait(false);
        }
        finally
        {
            _applying.Release();
        }
        IsReady = true;
        await _seeding.FollowAsync(_options.Pools.Values).ConfigureAwait(false);
        Log.Resumed(_logger);
        Events.Publish("node_resumed", $"takes clients again; {stayed} connections stayed");
        return stayed;
    }

    /// <summary>Closes a listener's sockets, or opens them again.</summary>
    /// <exception cref="IOException">It cannot be opened and stays paused.</exception>
    public Task SetPausedAsync(Listener listener, bool paused) => paused ? _listeners.PauseAsync(listener) : _listeners.ResumeAsync(listener, TcpOf);

    private TcpOptions TcpOf(ListenerOptions listener) => _options.Pools[listener.Pool].Tcp;

    public async ValueTask DisposeAsync()
    {
        IsReady = false;
        await _seeding.DisposeAsync().ConfigureAwait(false);
        // A renewal under way uses what is disposed of below.
        if (_certificateLooks is { } looks) await StopAsync(looks, CertificateActor.Stop.Instance).ConfigureAwait(false);
        await Added.DisposeAsync().ConfigureAwait(false);
        await _resourceWatch.DisposeAsync().ConfigureAwait(false);
        await StopAsync(_downed, PoisonPill.Instance).ConfigureAwait(false);
        if (!_closings.IsNobody()) await StopAsync(_closings, PoisonPill.Instance).ConfigureAwait(false);
        await _plane.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(_pools.Values.Select(p => p.Control.StopAsync())).ConfigureAwait(false);
        await _system.DisposeAsync().ConfigureAwait(false);
        foreach (PoolEntry entry in _pools.Values) entry.Upstream.Tls?.Dispose();
        if (_services.AccessLog is { } log) await log.DisposeAsync().ConfigureAwait(false);
        if (_fleet is not null) await _fleet.DisposeAsync().ConfigureAwait(false);
        _localSticky.Dispose();
        _services.LogLimit.Dispose();
        _applying.Dispose();
    }

    /// <summary>Those that are being refused, too.</summary>
    private long OpenClients => _services.Admission.Active + _reactors.Sum(r => Volatile.Read(ref r.Counters.Refused));

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

    private async Task ApplyAsync(ActorLbOptions options, CancellationToken cancel)
    {
        await _applying.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            // Taken before the files are read: a change in between is found by the next look.
            ImmutableDictionary<string, FileStamps.Stamp> stamps =
                await FileReading.RunAsync(() => FileStamps.Take(TlsFiles.Of(options)), cancel).ConfigureAwait(false);
            await ApplyCoreAsync(options, cancel).ConfigureAwait(false);
            _certificateWatch.Watch(stamps);
        }
        finally
        {
            _applying.Release();
        }
    }

    /// <summary>Puts changed TLS files into force: new connections get them, those that stand keep what they agreed on.</summary>
    private async Task RenewCertificatesAsync(ImmutableHashSet<string> changed)
    {
        await _applying.WaitAsync().ConfigureAwait(false);
        try
        {
            TlsContexts contexts = await FileReading.RunAsync(
                () => TlsContexts.Build(_options, TicketKeysOf, _time, changed), discard: late => late.Discard()).ConfigureAwait(false);
            foreach ((string name, PoolEntry entry) in _pools)
            {
                if (contexts.Client(name) is not { } tls) continue;
                _pools = _pools.SetItem(name, entry with { Upstream = new UpstreamPool(entry.Upstream.Pool, entry.Upstream.Sources, tls) });
                // Its probes speak TLS of their own.
                await entry.Control.ReloadAsync(entry.Upstream.Options, CancellationToken.None).ConfigureAwait(false);
            }
            foreach (Listener listener in _listeners.All)
            {
                Listener.State current = listener.Current;
                TlsServerContext? tls = contexts.Server(listener.Name) ?? current.Tls;
                listener.Apply(current.Options, _pools[current.Options.Pool].Upstream, tls, _time);
            }
            LogWarnings(contexts);
        }
        finally
        {
            _applying.Release();
        }
    }

    /// <summary>Keys of a file are read from it again; those of a file that is named no longer must not stay in use.</summary>
    private TicketKeyRing? TicketKeysOf(string listener) =>
        _listeners.Find(listener)?.Current is { Options.Tls.TicketKeyFile: null, Tls: { } tls } ? tls.TicketKeys : null;

    private void LogWarnings(TlsContexts contexts)
    {
        foreach (Listener listener in _listeners.All)
        {
            foreach (TlsProblem warning in contexts.Server(listener.Name)?.Warnings ?? []) Log.Tls(_logger, "listener", listener.Name, warning);
        }
        foreach (UpstreamPool pool in Pools)
        {
            foreach (TlsProblem warning in contexts.Client(pool.Name)?.Warnings ?? []) Log.Tls(_logger, "pool", pool.Name, warning);
        }
    }

    private async Task ApplyCoreAsync(ActorLbOptions options, CancellationToken cancel)
    {
        // Everything that can fail comes first; nothing is in force until all of it stands.
        if (DataPlaneChecks.Problem(_dataPlane, options) is { } problem) throw new IOException(problem);
        TcpOptions NextTcpOf(ListenerOptions listener) => options.Pools[listener.Pool].Tcp;
        TlsContexts contexts = await FileReading.RunAsync(
            () => TlsContexts.Build(options, TicketKeysOf, _time), cancel, discard: late => late.Discard()).ConfigureAwait(false);
        AccessLog? newLog = null;
        ListenerSet.Opened opened;
        try
        {
            if (options.Log.Access is { } path && _services.AccessLog?.Path != path)
            {
                newLog = await AccessLog.OpenAsync(path, options.Log.Format, _time, AccessLogCounters, _services.Logger).ConfigureAwait(false);
            }
            opened = _listeners.Open(options.Listeners.Values, NextTcpOf);
        }
        catch
        {
            contexts.Discard();
            if (newLog is not null) await newLog.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        // Before the pools ask for their names: one that leads here is no backend's.
        _bound = BoundOf(options, opened);
        _services.Announced.IsOn = options.Listeners.Values.Any(l => l.AcceptProxyFrom.Length > 0) && options.Pools.Values.Any(p => p.ProxyProtocol != ProxyProtocolVersion.Off);
        _services.Handshakes.Max = MaxHandshakes(options);
        AccessLog? oldLog = _services.AccessLog;
        if (newLog is not null || options.Log.Access is null) _services.AccessLog = newLog;
        _services.Damping = TakeoverDamping.Create(options.Sticky.Damping, _services.Damping);
        _services.SuppressWill = options.Node.Will == WillOnDrain.Suppress;
        _services.ServerReferenceUtf8 = Encoding.UTF8.GetBytes(options.Node.ServerReference ?? "");
        ActorLbOptions running = Added.Apply(options);
        Capacity = OpenFiles.Fit(options.Node.MaxConnections, options.Listeners.Count, _reactors.Count, OpenFiles.Limit, ProbesOf(running));
        _services.Admission.MaxConnections = Capacity;
        _services.SetupBudget.Limit =
            options.Node.SetupMemory == 0 ? SetupBudget.Auto(_memory.Read().Total, Capacity) : options.Node.SetupMemory;
        int bufferSize = options.Pools.Values.Select(p => p.BufferSize).DefaultIfEmpty(0).Max();
        foreach (Reactor reactor in _reactors) await reactor.AskAsync(r => { r.EnsureScratch(bufferSize); return true; }).ConfigureAwait(false);

        ImmutableDictionary<string, PoolEntry> oldPools = _pools;
        _pools = await ApplyPoolsAsync(running, contexts).ConfigureAwait(false);
        foreach (string gone in oldPools.Keys.Except(_pools.Keys)) _emptyPools.Forget(gone);
        foreach (PoolEntry entry in _pools.Values) _emptyPools.Look(entry.Upstream.Pool);
        if (_fleet is { IsStarted: false }) await _fleet.StartAsync(cancel).ConfigureAwait(false);
        UpdateSlots();
        await _legacy.RestoreAsync(Fleet).ConfigureAwait(false);
        var wanted = new List<(ListenerOptions, Listener)>();
        foreach (ListenerOptions listener in options.Listeners.Values)
        {
            UpstreamPool pool = _pools[listener.Pool].Upstream;
            TlsServerContext? tls = contexts.Server(listener.Name);
            Listener? known = _listeners.Find(listener.Name);
            if (known is null) known = new Listener(listener, pool, tls, _time) { Paused = _listeners.StartsPaused(listener.Name) };
            else known.Apply(listener, pool, tls, _time);
            wanted.Add((listener, known));
        }
        if (_fleet is not null) ShareTicketKeys(_fleet.Member.Spread.Tickets.Current, wanted.Select(w => w.Item2.Current));
        await _listeners.ApplyAsync(wanted, opened, NextTcpOf).ConfigureAwait(false);
        foreach ((string name, PoolEntry entry) in oldPools)
        {
            if (!_pools.ContainsKey(name)) await entry.Control.DisposeAsync().ConfigureAwait(false);
        }
        if (oldLog is not null && !ReferenceEquals(oldLog, _services.AccessLog)) await oldLog.DisposeAsync().ConfigureAwait(false);
        _options = options;
        Fingerprint = ConfigurationFingerprint.Of(options);
        _fleet?.Member.Spread.SetConfiguration(options.Node.Name, Fingerprint);
        LogWarnings(contexts);
    }

    /// <summary>Brings the pools in line with what operators have added or taken back since.</summary>
    private async Task ApplyAddedAsync(CancellationToken cancel)
    {
        var gone = new List<(string Pool, string Id)>();
        await _applying.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            foreach (PoolOptions pool in RunningOptions.Pools.Values)
            {
                if (!_pools.TryGetValue(pool.Name, out PoolEntry? known) || known.Upstream.Options.Backends.SequenceEqual(pool.Backends)) continue;
                PoolChange change = await known.Control.ReloadAsync(pool, cancel).ConfigureAwait(false);
                gone.AddRange(change.Removed.Select(b => (pool.Name, b.Id)));
                _emptyPools.Look(known.Upstream.Pool);
            }
        }
        finally
        {
            _applying.Release();
        }
        await ForgetAsync(gone).ConfigureAwait(false);
    }

    private Task ForgetAsync(IEnumerable<(string Pool, string Id)> gone) =>
        _fleet is { } fleet ? Task.WhenAll(gone.Select(g => fleet.ForgetAsync(g.Pool, g.Id))) : Task.CompletedTask;

    /// <summary>What of this node takes connections at a backend's address; null when nothing does.</summary>
    private string? OwnAddress(DnsEndPoint backend)
    {
        ImmutableDictionary<IPEndPoint, string> bound = _bound;
        return OwnListenerChecks.Own(backend, _options.Cluster.Seeds.IsEmpty ? bound : bound.SetItem(_options.Cluster.Bind, "the address of its fleet"));
    }

    /// <summary>The addresses of the listeners and of the admin endpoint, with what to call them.</summary>
    private ImmutableDictionary<IPEndPoint, string> BoundOf(ActorLbOptions options, ListenerSet.Opened opened)
    {
        var bound = ImmutableDictionary.CreateBuilder<IPEndPoint, string>();
        bound[options.Admin.Bind] = "the admin endpoint";
        foreach (ListenerOptions listener in options.Listeners.Values)
        {
            IPEndPoint at = opened.BoundTo(listener.Name) ?? _listeners.Find(listener.Name)?.BoundTo ?? listener.Bind;
            if (at.Port != 0) bound[at] = $"listener {listener.Name}";
        }
        return bound.ToImmutable();
    }

    private async Task<ImmutableDictionary<string, PoolEntry>> ApplyPoolsAsync(ActorLbOptions options, TlsContexts contexts)
    {
        var next = _pools.ToBuilder();
        var starting = new List<Task>();
        foreach (string gone in _pools.Keys.Where(n => !options.Pools.ContainsKey(n))) next.Remove(gone);
        foreach (PoolOptions pool in options.Pools.Values)
        {
            TlsClientContext? tls = contexts.Client(pool.Name);
            if (_pools.TryGetValue(pool.Name, out PoolEntry? known))
            {
                bool sameSources = known.Upstream.Options.SourceAddresses.SequenceEqual(pool.SourceAddresses);
                SourceAddresses? sources = sameSources ? known.Upstream.Sources : SourceAddresses.Create(pool.SourceAddresses, _ephemeralPorts);
                starting.Add(known.Control.ReloadAsync(pool, CancellationToken.None));
                next[pool.Name] = known with { Upstream = new UpstreamPool(known.Upstream.Pool, sources, tls) };
                continue;
            }
            var created = new Pool(pool, _time, OnPoolEvent);
            created.SetNodes(_fleet?.Nodes ?? 1);
            PoolControl control = PoolControl.Start(
                _system.System, created, _names, (p, b) => HealthProbes.Create(p, b, _services.Probes), _time, _loggers.CreateLogger("ActorLb.Health"),
                ownListener: at => OwnListenerChecks.Own(at, _bound));
            starting.Add(control.Ready);
            next[pool.Name] = new PoolEntry(
                new UpstreamPool(created, SourceAddresses.Create(pool.SourceAddresses, _ephemeralPorts), tls), control);
        }
        // A slow resolver does not keep the node from starting: what is not resolved yet gets no clients.
        await Task.WhenAny(Task.WhenAll(starting), Task.Delay(ResolveWait, _time)).ConfigureAwait(false);
        return next.ToImmutable();
    }

    private static int MaxHandshakes(ActorLbOptions options) =>
        options.Listeners.Values.Select(l => l.Tls?.MaxHandshakes ?? 0).DefaultIfEmpty(0).Max() is > 0 and var most ? most : 256;

    private void OnPoolEvent(PoolEvent e)
    {
        // What probes and name resolution find, the pool's actor logs itself.
        if (e.Kind is PoolEventKind.BackendOut or PoolEventKind.BackendIn or PoolEventKind.FleetHealthUp or PoolEventKind.FleetHealthDown
            or PoolEventKind.AdminStateChanged or PoolEventKind.WeightChanged or >= PoolEventKind.DrainBegun)
        {
            if (e.Backend is { } about) Log.Pool(_logger, e.Pool, about.Id, PoolEventText.Of(e));
            else Log.WholePool(_logger, e.Pool, PoolEventText.Of(e));
        }
        if (e.Kind is PoolEventKind.BackendAdded or PoolEventKind.BackendRemoved or PoolEventKind.AdminStateChanged) UpdateSlots();
        if (e.Kind is >= PoolEventKind.DrainBegun and <= PoolEventKind.DrainPaceEnded)
        {
            if (_fleet is null) UpdateLocalSlots();
            _closings.Tell(PacedClosingsActor.Look.Instance);
        }
        if (e is { Backend: { Active: > 0 } down } && (e.Kind == PoolEventKind.AdminStateChanged ? down.IsDrainOver
            : e.Kind is PoolEventKind.HealthDown or PoolEventKind.FleetHealthDown && ClosesOnDown(e.Pool)))
        {
            _downed.Tell(new DownedBackendsActor.Close(e.Pool, down, _options.Node.DrainTimeout));
        }
        string subject = e.Backend is { } backend ? $"pool {e.Pool}, backend {backend.Id}" : $"pool {e.Pool}";
        Events.Publish(EventFeed.Word(e.Kind.ToString()), $"{subject} {PoolEventText.Of(e)}");
        // One that is being made is looked at when it stands.
        if (_pools.TryGetValue(e.Pool, out PoolEntry? known)) _emptyPools.Look(known.Upstream.Pool);
    }

    private void EnterFleet()
    {
        _fleet = new FleetBackends(_options, _slots, _directory, AllBackends, Inquiry, Events, _time, _loggers);
        _fleet.Member.Spread.Tickets.Changed = keys => ShareTicketKeys(keys, _listeners.All.Select(l => l.Current));
        _fleet.NodesCounted = nodes =>
        {
            foreach (PoolEntry entry in _pools.Values) entry.Upstream.Pool.SetNodes(nodes);
        };
        _services.Sticky = _fleet.Member.Map;
        Orders = _fleet.Member.Spread.Orders;
        Fleet = new FleetOfNodes(_fleet.Member, _options.Sticky, () => IsDraining, _time);
    }

    /// <summary>Backends that the file no longer names. What DNS finds comes and goes by itself and is not meant: an answer may hold a part.</summary>
    private static IEnumerable<(string Pool, string Id)> Removed(ActorLbOptions old, ActorLbOptions next) =>
        Named(old).Except(Named(next));

    private static IEnumerable<(string Pool, string Id)> Named(ActorLbOptions options) =>
        from pool in options.Pools.Values from backend in pool.Backends select (pool.Name, AddressText.Format(backend.Address));

    /// <summary>The fleet's ticket keys go to every listener that has no file of its own.</summary>
    private static void ShareTicketKeys(ImmutableArray<TicketKey> keys, IEnumerable<Listener.State> listeners)
    {
        if (keys.IsEmpty) return;
        foreach (Listener.State listener in listeners)
        {
            if (listener.Options.Tls is { SessionTickets: true, TicketKeyFile: null }) listener.Tls?.SetTicketKeys(keys);
        }
    }

    private bool ClosesOnDown(string pool) => _pools.TryGetValue(pool, out PoolEntry? entry) && entry.Upstream.Options.OnDown == SessionsOnDown.Close;

    private IEnumerable<DownedBackendsActor.Close> Fallen() =>
        from entry in _pools.Values
        from backend in entry.Upstream.Pool.Snapshot.Backends.ToArray()
        where backend.IsDrainOver || entry.Upstream.Options.OnDown == SessionsOnDown.Close
        select new DownedBackendsActor.Close(entry.Upstream.Name, backend, _options.Node.DrainTimeout);

    private IEnumerable<(string Pool, Backend Backend)> AllBackends() =>
        from entry in _pools.Values from backend in entry.Upstream.Pool.Snapshot.Backends.ToArray() select (entry.Upstream.Name, backend);

    private void UpdateSlots()
    {
        if (_fleet is not null) _fleet.BackendsMayHaveChanged();
        else UpdateLocalSlots();
    }

    private void UpdateLocalSlots()
    {
        _legacy.Name(from entry in _pools.Values from backend in entry.Upstream.Pool.Snapshot.Backends.ToArray() select (entry.Upstream.Pool, backend));
        _localSlots.Update(AllBackends().Select(b => b.Backend));
    }

    private static int ProbesOf(ActorLbOptions options) =>
        options.Pools.Values.Sum(p => p.Health.Probe == ProbeKind.None ? 0 : p.Backends.Length);

    private void WarnOfOpenFiles()
    {
        if (Capacity < _options.Node.MaxConnections)
        {
            Log.FewOpenFiles(_logger, _options.Node.MaxConnections, OpenFiles.Limit, Capacity);
        }
    }

    private static string Describe(ListenerOptions options) => (options.Tls, options.WebSocket, options.Protocol) switch
    {
        (null, null, ListenerProtocol.Tcp) => "tcp",
        (null, null, _) => "mqtt",
        (null, _, _) => "mqtt over websocket",
        (_, null, ListenerProtocol.Tcp) => "tcp over tls",
        (_, null, _) => "mqtt over tls",
        _ => "mqtt over websocket over tls",
    };

    private static partial class Log
    {
        [LoggerMessage(2201, LogLevel.Information, "listener {Listener} accepts {Kind} on {Address} for pool {Pool}")]
        public static partial void Listening(ILogger logger, string listener, System.Net.IPEndPoint address, string kind, string pool);

        [LoggerMessage(2202, LogLevel.Warning, "node.max-connections = {Wanted} needs two open files per client, but the limit is {Limit}: this node accepts {Capacity} clients; raise the limit (ulimit -n, LimitNOFILE)")]
        public static partial void FewOpenFiles(ILogger logger, int wanted, long limit, int capacity);

        [LoggerMessage(2203, LogLevel.Information, "draining {Open} connections within {Seconds} s")]
        public static partial void Draining(ILogger logger, int open, double seconds);

        [LoggerMessage(2206, LogLevel.Information, "the node accepts clients again")]
        public static partial void Resumed(ILogger logger);

        [LoggerMessage(2205, LogLevel.Warning, "{Owner} {Name}: {Warning}")]
        public static partial void Tls(ILogger logger, string owner, string name, TlsProblem warning);

        [LoggerMessage(2204, LogLevel.Information, "pool {Pool}, backend {Backend} {What}")]
        public static partial void Pool(ILogger logger, string pool, string backend, string what);

        [LoggerMessage(2219, LogLevel.Information, "pool {Pool} {What}")]
        public static partial void WholePool(ILogger logger, string pool, string what);
    }
}
