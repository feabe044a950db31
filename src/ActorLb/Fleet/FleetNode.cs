using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Cluster;
using ActorLb.Cluster.InProcess;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet;

/// <summary>
/// This node's part in the fleet: its membership, its shards, its word on the backends. The reactors ask <see cref="Map"/>; everything
/// else is the control plane's. With <see cref="FleetOptions.IsAlone"/> it is the same machinery over a store in the process.
/// </summary>
internal sealed partial class FleetNode : IFleetOutside, IPeerHandler, IAsyncDisposable
{
    private static readonly TimeSpan TickPeriod = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(1);

    private readonly FleetOptions _options;
    private readonly IClusterStore _store;
    private readonly IPeerTransport? _transport;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly StickyClock _clock;
    private readonly FleetControl _control;
    private readonly FleetActor _actor;
    private readonly StoreRunner _runner;
    private readonly FleetEvents _events = new();
    private readonly TaskCompletionSource<FleetEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _firstTable = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private RegionClock? _regionClock;
    private Task _ticking = Task.CompletedTask;
    private ImmutableArray<FleetBackend> _backends = [];
    private long _badFrames;
    private long _badFrameLoggedAt = long.MinValue / 2;
    private int _started;

    /// <param name="store">Not disposed by the node.</param>
    /// <param name="transport">Null when alone. Not disposed by the node.</param>
    public FleetNode(
        FleetOptions options, IClusterStore store, IPeerTransport? transport, BackendSlots slots, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options;
        _store = store;
        _transport = transport;
        _time = time;
        _logger = loggers.CreateLogger("ActorLb.Fleet");
        _clock = new StickyClock(time);
        Self = new PeerId(options.Node, BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1);
        Region = new ShardRegion(
            new RegionSettings(Self, options.StickyTtl, options.MaxEntries), new StickyHash(options.HashKey), slots, _clock);
        var settings = new ClusterSettings(Self, options.Address, options.Zone, options.Weight, options.LeaseTtl, StickyHash.Shards)
        {
            IsAlone = options.IsAlone,
            HashKey = options.KeepHashKey ? options.HashKey : null,
        };
        _control = new FleetControl(settings, Region, slots, this);
        _control.Reports.Collect = Collect;
        _control.Reports.Reckoned = report => Reported?.Invoke(report);
        _runner = new StoreRunner(
            store, options.LeaseTtl, reply => Post(new StoreReplied(reply)),
            async (generation, batch, cancellation) =>
                await _actor!.PostAsync(new StoreChanged(generation, batch), cancellation).ConfigureAwait(false));
        _actor = new FleetActor(_control, () => _clock.Milliseconds, () => _runner.Generation, OnBadFrame, time, _logger);
    }

    public PeerId Self { get; }

    /// <summary>What the reactors ask.</summary>
    public IStickyMap Map => Region;

    public ShardRegion Region { get; }

    public FleetEvents Events => _events;

    /// <summary>Ends when the node left, or when it must stop because another process took its name or an operator gave it up.</summary>
    public Task<FleetEnd> Ended => _end.Task;

    /// <summary>A table is in force, all that it names are connected and told their connections: lookups are answered instead of falling back.</summary>
    public Task FirstTable => _firstTable.Task;

    /// <summary>Frames of peers that made no sense.</summary>
    public long BadFrames => Volatile.Read(ref _badFrames);

    /// <summary>Hears of changed slots and of what operators want of the backends; on the fleet's loop, must not block.</summary>
    public Action<ImmutableArray<FleetBackend>>? BackendsChanged { get; set; }

    /// <summary>This node's connections and verdicts, complete; asked on the fleet's loop every 50 ms, must not block.</summary>
    public Func<IEnumerable<BackendReport>>? CollectReports { get; set; }

    /// <summary>Hears the connections of the other nodes and the majority's verdicts as they come in; on the fleet's loop, must not block.</summary>
    public Action<FleetReport>? Reported { get; set; }

    /// <summary>What is known of the backends.</summary>
    public ImmutableArray<FleetBackend> Backends => _backends;

    /// <summary>Listens to peers and begins to join. Returns before it has joined: the store may be away for long.</summary>
    public async Task StartAsync(IEnumerable<WantedBackend> backends, CancellationToken cancellation)
    {
        if (Interlocked.Exchange(ref _started, 1) != 0)
        {
            throw new InvalidOperationException("The fleet node was started before.");
        }

        _control.Change(core => core.Backends.Want(Keys(backends)));
        if (_transport is not null)
        {
            await _transport.StartAsync(new PeerEndpoint(Self, _options.Address), this, cancellation).ConfigureAwait(false);
        }

        Region.Context.WantsFellBack = () => _logger.IsEnabled(LogLevel.Debug);
        Region.Context.FellBack = n => Log.FellBack(_logger, n.Shard, n.Waited, n.Late, n.Owner, n.Replica, n.Answer.Backend);
        Region.Context.CopiesChanged = () => Post(new CopiesChanged());
        _regionClock = new RegionClock(Region, e => Log.ClockFailed(_logger, e));
        _actor.Start();
        _ticking = TickAsync();
    }

    /// <summary>The backends of this node's pools, after a reload or a discovery.</summary>
    public void SetBackends(IEnumerable<WantedBackend> backends)
    {
        var keys = Keys(backends).ToArray();
        Post(new FleetWish(control => control.Change(core => core.Backends.Want(keys)), null));
    }

    /// <summary>A planned leave: the shards move to the others, then the lease is given back.</summary>
    /// <returns>Whether it was done within the time.</returns>
    public async Task<bool> LeaveAsync(TimeSpan within)
    {
        Post(new FleetWish(control => control.Change(core => core.Leave()), null));
        var limit = Task.Delay(within, _time, CancellationToken.None);
        return await Task.WhenAny(_end.Task, limit).ConfigureAwait(false) == _end.Task;
    }

    public Task<FleetStatus> GetStatusAsync() => AskAsync(control => FleetSummary.Of(control, _options, Self));

    public Task<ImmutableArray<ShardLine>> GetShardsAsync() => AskAsync(FleetSummary.Shards);

    /// <summary>Does something with the core that is answered later: null is success, text is why not.</summary>
    public Task<string?> ChangeAsync(Action<ClusterCore, Action<string?>> change)
    {
        var done = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(new FleetWish(control => control.Change(core => change(core, text => done.TrySetResult(text))), e => done.TrySetException(e)));
        return done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _ticking.ConfigureAwait(false);
        await _actor.DisposeAsync().ConfigureAwait(false);
        await _runner.DisposeAsync().ConfigureAwait(false);
        _regionClock?.Dispose();
        Region.Dispose();
        _stop.Dispose();
    }

    void IPeerHandler.OnFrame(IPeerLink link, ReadOnlySpan<byte> frame)
    {
        var error = PeerFrameHeader.TryRead(frame, out var header);
        if (error == PeerFrameError.None && FleetControl.IsControl(header.Type))
        {
            _actor.TryPost(new FrameCame(link, frame.ToArray()));
            return;
        }

        if (error == PeerFrameError.None)
        {
            error = Region.OnFrame(link, header, frame);
        }

        if (error != PeerFrameError.None)
        {
            OnBadFrame(link, PeerFrameErrors.Describe(error));
        }
    }

    void IPeerHandler.OnUp(IPeerLink link)
    {
        Announce(ClusterEventKind.PeerUp, $"{link.Peer.Name} is connected");
        Post(new FleetWish(control => control.Reports.PublishSoon(), null));
    }

    void IPeerHandler.OnDown(IPeerLink link, string reason) =>
        Announce(ClusterEventKind.PeerDown, $"{link.Peer.Name} is not connected: {reason}");

    void IFleetOutside.Call(StoreCall call) => _runner.Call(call);

    void IFleetOutside.Watch(long fromRevision) => _runner.Watch(fromRevision);

    void IFleetOutside.Probe(PeerId peer, string address) => _ = ProbeAsync(peer, address);

    void IFleetOutside.Announce(ClusterEventKind kind, string text) => Announce(kind, text);

    void IFleetOutside.Ended(bool planned, string reason) => _end.TrySetResult(new FleetEnd(planned, reason));

    IPeerLink IFleetOutside.Connect(PeerEndpoint peer) => _transport is null ? new NoLink(peer.Id) : _transport.Connect(peer);

    void IFleetOutside.Drop(PeerId peer) => _transport?.Drop(peer);

    void IFleetOutside.BackendsChanged()
    {
        _backends = FleetSummary.Backends(_control.Core.Backends, _clock.Milliseconds);
        BackendsChanged?.Invoke(_backends);
    }

    private static IEnumerable<(BackendKey, string)> Keys(IEnumerable<WantedBackend> backends) =>
        backends.Select(b => (new BackendKey(b.Pool, b.Id), b.Address));

    private void Post(FleetMessage message) => _actor.TryPost(message);

    private Task<T> AskAsync<T>(Func<FleetControl, T> question)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(new FleetWish(control => done.TrySetResult(question(control)), e => done.TrySetException(e)));
        return done.Task;
    }

    private void Collect()
    {
        if (CollectReports is not { } collect)
        {
            return;
        }

        BackendReport[] reports = [.. collect()];
        _control.Reports.SetCounts([.. reports.Select(r => new PeerReport(r.Backend.Value, (uint)Math.Max(0, r.Connections)))]);
        _control.Reports.SetVerdicts([.. reports.Select(r => new PeerReport(r.Backend.Value, r.IsDown ? PeerReports.Down : PeerReports.Up))]);
    }

    private async Task TickAsync()
    {
        using var timer = new PeriodicTimer(TickPeriod, _time);
        try
        {
            do
            {
                Post(new TimePassed());
                if (CanAskAll(Region.Context.View, _control.Reports.Report))
                {
                    _firstTable.TrySetResult();
                }
            }
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
    }

    /// <summary>
    /// A table alone is not enough: whoever asks before the links stand falls back, and sends clients astray; whoever places clients
    /// before the others told their connections places them where there are too many.
    /// </summary>
    private static bool CanAskAll(RegionView view, FleetReport report) =>
        view.Map.Epoch != 0 && Array.TrueForAll(view.Peers, p => p is not { Link.IsUp: false })
        && report.LiveNodes > view.Peers.Count(p => p is not null);

    private async Task ProbeAsync(PeerId peer, string address)
    {
        // Who listens on the own address is this very process: the port has been bound.
        var reachable = address != _options.Address && _transport is not null
            && await _transport.IsReachableAsync(address, ProbeTimeout, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.None);
        Post(new AddressProbed(peer, reachable));
    }

    private void Announce(ClusterEventKind kind, string text)
    {
        _events.Add(new ClusterEvent(_time.GetUtcNow(), kind, text));
        if (kind is ClusterEventKind.StoreLost or ClusterEventKind.TableInvalid or ClusterEventKind.NameTaken or ClusterEventKind.LeaseLost
            or ClusterEventKind.Displaced or ClusterEventKind.StoreRestored)
        {
            Log.Warned(_logger, text);
        }
        else if (kind == ClusterEventKind.TableAdopted)
        {
            Log.Noted(_logger, text);
        }
        else
        {
            Log.Told(_logger, text);
        }
    }

    private void OnBadFrame(IPeerLink link, string fault)
    {
        Interlocked.Increment(ref _badFrames);
        var now = _clock.Milliseconds;
        var last = Volatile.Read(ref _badFrameLoggedAt);
        if (now - last >= 10_000 && Interlocked.CompareExchange(ref _badFrameLoggedAt, now, last) == last)
        {
            Log.BadFrame(_logger, link.Peer.Name, fault);
        }
    }

    private sealed record NoLink(PeerId Peer) : IPeerLink
    {
        public bool IsUp => false;

        public bool Send(ReadOnlySpan<byte> frame, PeerLane lane) => false;
    }

    private static partial class Log
    {
        [LoggerMessage(3301, LogLevel.Information, "{Text}.")]
        public static partial void Told(ILogger logger, string text);

        [LoggerMessage(3302, LogLevel.Warning, "{Text}.")]
        public static partial void Warned(ILogger logger, string text);

        [LoggerMessage(3303, LogLevel.Debug, "{Text}.")]
        public static partial void Noted(ILogger logger, string text);

        [LoggerMessage(3304, LogLevel.Warning, "{Peer} sent what is not understood: {Fault}. (At most one line in 10 s.)")]
        public static partial void BadFrame(ILogger logger, string peer, string fault);

        [LoggerMessage(3305, LogLevel.Error, "The shard clock failed; it goes on.")]
        public static partial void ClockFailed(ILogger logger, Exception exception);

        [LoggerMessage(3306, LogLevel.Debug, "A lookup in shard {Shard} fell back to {Backend} after {Waited} ms, {Late} of them not run. Owner: {Owner}. Replica: {Replica}.")]
        public static partial void FellBack(ILogger logger, int shard, long waited, long late, string owner, string replica, BackendRef backend);
    }
}
