using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;

namespace ActorLb.Balancing;

/// <summary>
/// A broker of a pool. The object lives over reloads while its address stays, so that counts, states and an operator's weight
/// outlive a reload. Reactors read it without locks; whatever changes its state takes <see cref="_gate"/>, which no pick does.
/// </summary>
public sealed class Backend
{
    private const int FullWeight = 1 << 8;

    private const BackendBlocks FoundFailing = BackendBlocks.Unhealthy | BackendBlocks.FleetUnhealthy | BackendBlocks.Out;

    /// <summary>Those that belong to it may come all the same.</summary>
    private const BackendBlocks ForNewClients = BackendBlocks.Draining | BackendBlocks.DrainingByProbe | BackendBlocks.DrainingByDiscovery;

    private readonly Lock _gate = new();
    private readonly FailureWindow _failureWindow = new();
    private readonly TimeProvider _time;
    private readonly Action<Backend, PoolEventKind, string?> _changed;

    // Written under _gate, read by picks. _blocks is what holds; _effective leaves out what a sole candidate is spared.
    private BackendBlocks _blocks;
    private volatile BackendBlocks _effective;
    private volatile bool _sole;
    private volatile BackendOptions _options;
    private volatile int _weight;
    private volatile int _limit;
    private volatile IPEndPoint[] _endPoints = [];
    private volatile AdminState _adminState;
    private volatile bool _isDrainOver;
    private volatile PacedDrain? _pacing;
    private volatile HealthState _health;

    // Out: the time from which the next trial may go, moved on by the claim (compare and swap), and whether one went since the last
    // failure; only such a success clears, for an older connection may answer late.
    private long _trialAt;
    private volatile bool _trialClaimed;

    // The last failure of a client's connection: when, and whether it came after the connection was made. Under _gate.
    private long _failedAt = long.MinValue / 2;
    private bool _failedConnected;

    // The node's own probes: failures in a row, and whether the last one is the backend's own word.
    private volatile int _probeFailures;
    private volatile bool _refuses;

    // Start of the slow start in Now's milliseconds; -1 is none.
    private long _rampStart = -1;

    // When a drain becomes down, in Now's milliseconds; -1 is never. While it is paused: how long it will have from then on.
    private long _drainEnd = -1;
    private long _drainHeld = -1;

    private int _active;
    private long _lastSuccess = long.MinValue / 2;
    private long _foundFailingAt = long.MinValue / 2;
    private int _proposed;
    private volatile int _remoteActive;
    private volatile int _others;
    private long _connectsReported;
    private int _nextEndPoint;
    private long _failures;
    private long _connects;
    private volatile uint _reference;

    internal Backend(BackendOptions options, TimeProvider time, Action<Backend, PoolEventKind, string?> changed)
    {
        _time = time;
        _changed = changed;
        _options = options;
        History = new BackendHistory(time);
        _weight = options.Weight;
        _limit = options.MaxConnections;
        Id = IdOf(options.Address);
        Seed = KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(Id));
        Address = options.Address;
        AdminState admin = options.Down ? AdminState.Down : AdminState.Up;
        _adminState = admin;
        _blocks = BlocksOf(admin);
        if (IPAddress.TryParse(options.Address.Host, out IPAddress? literal))
        {
            _endPoints = [new IPEndPoint(literal, options.Address.Port)];
        }
        else
        {
            _blocks |= BackendBlocks.Unresolved;
        }

        _effective = _blocks;
    }

    /// <summary>"host:port" as configured, an IPv6 literal in brackets: the identity within the pool and over the fleet.</summary>
    public string Id { get; }

    public DnsEndPoint Address { get; }

    internal BackendHistory History { get; }

    /// <summary>How many new sessions a second it gets, and who waits for one.</summary>
    public ConnectPace Pace { get; } = new();

    public BackendOptions Options => _options;

    public bool Backup => _options.Backup;

    /// <summary>1 to 65,535; the operator may change it.</summary>
    public int Weight => _weight;

    public AdminState AdminState => _adminState;

    /// <summary>After what time a drain becomes down; null for never, and in every other state.</summary>
    public TimeSpan? DrainLeft =>
        Volatile.Read(ref _drainHeld) is >= 0 and var held ? TimeSpan.FromMilliseconds(held)
        : Volatile.Read(ref _drainEnd) is >= 0 and var end ? TimeSpan.FromMilliseconds(Math.Max(0, end - Now)) : null;

    /// <summary>Its sessions are closed at a pace; null when they are not. It holds for a backend that is down by the file as well.</summary>
    public PacedDrain? Pacing => _pacing;

    /// <summary>It is down because the deadline of its drain is over: the sessions that it still has are closed.</summary>
    public bool IsDrainOver => _isDrainOver;

    /// <summary>An operator's change of it holds on this node, and the fleet has not confirmed it yet.</summary>
    public bool IsChangeLocal { get; set; }

    public HealthState Health => _health;

    /// <summary>Everything that holds at present, for status pages. Once its fail-timeout is over it takes a client again, and is not out.</summary>
    public BackendBlocks Blocks => (_effective & BackendBlocks.Out) != BackendBlocks.None && Now >= Interlocked.Read(ref _trialAt)
        ? _effective & ~BackendBlocks.Out : _effective;

    /// <summary>Shown to work: by its probes, or without them by a client that it took; and not found failing since.</summary>
    internal bool Works => (_effective & (FoundFailing | BackendBlocks.Unresolved)) == BackendBlocks.None
        && (_health == HealthState.Up || (_health == HealthState.Unknown && Interlocked.Read(ref _lastSuccess) >= 0));

    /// <summary>First resolved address; null until the host name is resolved.</summary>
    public IPEndPoint? EndPoint => _endPoints is [var first, ..] ? first : null;

    public ReadOnlySpan<IPEndPoint> EndPoints => _endPoints;

    /// <summary>The node's connections to it.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>Connections that the fleet's other nodes report.</summary>
    public int RemoteActive => _remoteActive;

    /// <summary>Connections over the whole fleet, as far as this node knows.</summary>
    public int Load => Active + _remoteActive;

    /// <summary>
    /// What a pick compares: the fleet's connections, with those that are on their way. The other nodes' numbers are a moment old, and
    /// they see what this node sees: each is taken to have placed since then what this node has. Else all would run to the same
    /// backend, and past the mark, until they hear of each other.
    /// </summary>
    public long ExpectedLoad
    {
        get
        {
            int proposed = Volatile.Read(ref _proposed);
            long since = Math.Max(0, Connects - Interlocked.Read(ref _connectsReported)) + proposed;
            return Load + proposed + (_others * since);
        }
    }

    /// <summary>Failures reported since start.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Connections begun since start.</summary>
    public long Connects => Interlocked.Read(ref _connects);

    /// <summary>Slot (upper 16 bits) and generation of the sticky map; 0 until it sets one.</summary>
    public uint Reference
    {
        get => _reference;
        set => _reference = value;
    }

    /// <summary>Where the backend stands in its pool's rotation; see <see cref="Rotation"/>.</summary>
    internal long Pass;

    /// <summary>Hash of <see cref="Id"/>, for rendezvous.</summary>
    internal ulong Seed { get; }

    /// <summary>The endpoint to dial next: round robin over a name's addresses. Null until resolved.</summary>
    public IPEndPoint? NextEndPoint()
    {
        IPEndPoint[] all = _endPoints;
        return all.Length switch
        {
            0 => null,
            1 => all[0],
            _ => all[(int)((uint)(Interlocked.Increment(ref _nextEndPoint) - 1) % (uint)all.Length)],
        };
    }

    /// <summary>Whether it may take a client at <paramref name="now"/>; a draining one takes those that are mapped to it.</summary>
    public bool IsEligible(long now, bool newClient)
    {
        BackendBlocks blocks = _effective;
        if (!newClient)
        {
            blocks &= ~ForNewClients;
        }

        if (blocks != BackendBlocks.None && (blocks != BackendBlocks.Out || now < Interlocked.Read(ref _trialAt)))
        {
            return false;
        }

        int limit = _limit;
        return limit == 0 || Active < limit;
    }

    /// <summary>Counts a connection in, unless max-connections is reached. Pair with <see cref="Release"/>.</summary>
    public bool TryAcquire()
    {
        int limit = _limit;
        int active = Interlocked.Increment(ref _active);
        if (limit != 0 && active > limit)
        {
            Interlocked.Decrement(ref _active);
            return false;
        }

        Interlocked.Increment(ref _connects);
        return true;
    }

    public void Release() => Interlocked.Decrement(ref _active);

    /// <summary>Proposed for a client whose place another node has to confirm. Pair with <see cref="Withdraw"/>.</summary>
    public void Propose() => Interlocked.Increment(ref _proposed);

    public void Withdraw() => Interlocked.Decrement(ref _proposed);

    /// <summary>
    /// Counts a failure (dial, time-out, closed before CONNACK). max-fails within fail-timeout take the backend out for fail-timeout.
    /// </summary>
    /// <param name="now">Milliseconds of <see cref="MonotonicTime"/>.</param>
    /// <param name="connected">It had taken the connection.</param>
    public void ReportFailure(long now, bool connected = true)
    {
        Interlocked.Increment(ref _failures);
        BackendOptions options = _options;
        if (options.MaxFails <= 0 || _sole)
        {
            return;
        }

        bool wentOut = false;
        lock (_gate)
        {
            long window = (long)options.FailTimeout.TotalMilliseconds;
            bool isOut = (_blocks & BackendBlocks.Out) != BackendBlocks.None;
            _failedAt = now;
            _failedConnected = connected;
            if (!_failureWindow.Add(now, options.MaxFails, window) && !isOut)
            {
                return;
            }

            Interlocked.Exchange(ref _trialAt, now + window);
            _trialClaimed = false;
            if (!isOut)
            {
                wentOut = true;
                Change(BackendBlocks.Out, on: true, now);
            }
        }

        if (wentOut)
        {
            _changed(this, PoolEventKind.BackendOut, null);
        }
    }

    /// <summary>A connection reached the broker (CONNACK, or connected for plain TCP). Ends the outage when it was the trial.</summary>
    public void ReportSuccess(long now)
    {
        Interlocked.Exchange(ref _lastSuccess, now);
        if (!_trialClaimed)
        {
            return;
        }

        lock (_gate)
        {
            if (!_trialClaimed)
            {
                return;
            }

            EndOutage(now);
        }

        _changed(this, PoolEventKind.BackendIn, null);
    }

    /// <summary>
    /// What this node's own probe found. A good one ends an outage by max-fails when it proves the contrary of the last failure: it began
    /// later, and went as far. One that only connects proves nothing of a backend that took connections all the time; then it ends the
    /// outage with fail-timeout.
    /// </summary>
    internal void ReportProbe(in ProbeReport probe)
    {
        _probeFailures = probe.Failures;
        _refuses = probe.Refused;
        if (!probe.Alive)
        {
            return;
        }

        lock (_gate)
        {
            long now = Now;
            bool proves = probe.Began > _failedAt && (probe.AsClient || !_failedConnected || now >= Interlocked.Read(ref _trialAt));
            if ((_blocks & BackendBlocks.Out) == BackendBlocks.None || !proves)
            {
                return;
            }

            EndOutage(now);
        }

        _changed(this, PoolEventKind.BackendIn, null);
    }

    /// <summary>The operator wants it up: failures of before count no more.</summary>
    public void ForgetFailures()
    {
        lock (_gate)
        {
            _failureWindow.Clear();
            if ((_blocks & BackendBlocks.Out) == BackendBlocks.None)
            {
                return;
            }

            EndOutage(Now);
        }

        _changed(this, PoolEventKind.BackendIn, null);
    }

    /// <summary>Whether it took a client within the last fail-timeout: one that closes early then is busy rather than dead.</summary>
    public bool HasAnsweredLately(long now) => now - Interlocked.Read(ref _lastSuccess) <= _options.FailTimeout.TotalMilliseconds;

    /// <summary>
    /// Whether a client that is mapped to it may try it although it is found failing: for a short time after it was found so, since its
    /// session is there and the finding may be wrong. Two failed probes in a row are not wrong, nor is the backend's own word; and what
    /// the operator took out gets no grace.
    /// </summary>
    /// <param name="now">Milliseconds of <see cref="MonotonicTime"/>.</param>
    /// <param name="grace">The time, in milliseconds; 0 is none.</param>
    public bool HasGrace(long now, long grace) =>
        (_effective & ~(FoundFailing | ForNewClients)) == BackendBlocks.None
        && !_refuses && _probeFailures < 2 && now - Interlocked.Read(ref _foundFailingAt) < grace;

    /// <summary>
    /// True unless the backend is out and another thread took this turn's trial. A trial whose outcome is never reported gives way to
    /// the next after fail-timeout.
    /// </summary>
    internal bool TryClaim(long now)
    {
        if ((_effective & BackendBlocks.Out) == BackendBlocks.None)
        {
            return true;
        }

        long seen = Interlocked.Read(ref _trialAt);
        long next = now + Math.Max(1, (long)_options.FailTimeout.TotalMilliseconds);
        if (now < seen || Interlocked.CompareExchange(ref _trialAt, next, seen) != seen)
        {
            return false;
        }

        lock (_gate)
        {
            _trialClaimed = (_blocks & BackendBlocks.Out) != BackendBlocks.None;
        }

        return true;
    }

    /// <summary>The weight in 1/256ths, smaller during a slow start but never 0.</summary>
    internal long EffectiveWeight(long now)
    {
        long weight = (long)_weight * FullWeight;
        long start = Interlocked.Read(ref _rampStart);
        if (start < 0)
        {
            return weight;
        }

        long length = (long)_options.SlowStart.TotalMilliseconds;
        long elapsed = now - start;
        if (elapsed >= length)
        {
            Interlocked.CompareExchange(ref _rampStart, -1, start);
            return weight;
        }

        return Math.Max(1, weight * Math.Max(0, elapsed) / length);
    }

    /// <summary>The operator's wish, from this node or any of the fleet.</summary>
    /// <param name="state">The wish.</param>
    /// <param name="drainLeft">For a drain: after what time the caller will take it down.</param>
    /// <param name="isDrainOver">For a backend that is down: because the deadline of its drain is over.</param>
    /// <param name="pacing">At what pace its sessions are closed; null leaves them.</param>
    public void SetAdminState(AdminState state, TimeSpan? drainLeft = null, bool isDrainOver = false, PacedDrain? pacing = null)
    {
        PacedDrain? before;
        bool same;
        lock (_gate)
        {
            long left = state == AdminState.Drain && drainLeft is { } time ? (long)time.TotalMilliseconds : -1;
            bool held = left >= 0 && pacing is { IsPaused: true };
            Volatile.Write(ref _drainHeld, held ? left : -1);
            Volatile.Write(ref _drainEnd, left >= 0 && !held ? Now + left : -1);
            before = _pacing;
            _pacing = pacing;
            bool wasOver = _isDrainOver;
            _isDrainOver = state == AdminState.Down && isDrainOver;
            same = _adminState == state && (wasOver || !_isDrainOver);
            if (!same)
            {
                _adminState = state;
                Change(BackendBlocks.AdminDown | BackendBlocks.Draining, BlocksOf(state));
            }
        }

        if (!same)
        {
            if (state == AdminState.Up)
            {
                ForgetFailures();
            }

            _changed(this, PoolEventKind.AdminStateChanged, state.ToString());
        }

        // What ends with another state is said by that.
        if (same || pacing is not null)
        {
            RaisePacing(before, pacing);
        }
    }

    private void RaisePacing(PacedDrain? before, PacedDrain? now)
    {
        if (before == now)
        {
            return;
        }

        PoolEventKind kind = (before, now) switch
        {
            (_, null) => PoolEventKind.DrainPaceEnded,
            _ when before?.Ordered != now.Ordered => now.IsPaused ? PoolEventKind.DrainPaused : PoolEventKind.DrainBegun,
            _ when before.IsPaused != now.IsPaused => now.IsPaused ? PoolEventKind.DrainPaused : PoolEventKind.DrainResumed,
            _ => PoolEventKind.DrainRateChanged,
        };
        _changed(this, kind, now is null ? null : PaceRate.Text(now.Rate));
    }

    /// <param name="weight">1 to 65,535; outside throws.</param>
    public void SetWeight(int weight)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weight, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weight, ushort.MaxValue);
        if (Interlocked.Exchange(ref _weight, weight) != weight)
        {
            _changed(this, PoolEventKind.WeightChanged, weight.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    /// <summary>The verdict of the fleet's majority, on top of the node's own.</summary>
    public void SetFleetHealth(bool up)
    {
        lock (_gate)
        {
            if (up == ((_blocks & BackendBlocks.FleetUnhealthy) == BackendBlocks.None))
            {
                return;
            }

            Change(BackendBlocks.FleetUnhealthy, !up, Now);
        }

        _changed(this, up ? PoolEventKind.FleetHealthUp : PoolEventKind.FleetHealthDown, null);
    }

    /// <summary>What another node just said: the connections of the fleet's other nodes, absolute.</summary>
    /// <param name="others">Nodes that place clients beside this one.</param>
    public void SetRemoteActive(int connections, int others)
    {
        _remoteActive = Math.Max(0, connections);
        _others = Math.Max(0, others);
        Interlocked.Exchange(ref _connectsReported, Connects);
    }

    /// <summary>The node's own verdict.</summary>
    internal void SetHealth(HealthState state, string? reason)
    {
        HealthState before;
        if (state == HealthState.Unknown)
        {
            _probeFailures = 0;
            _refuses = false;
        }

        lock (_gate)
        {
            before = _health;
            _health = state;
            if (before != state) History.Changed();
            // Down says more than that it drains; and without a probe nobody would hear of the end.
            BackendBlocks which = BackendBlocks.Unhealthy | (state == HealthState.Up ? BackendBlocks.None : BackendBlocks.DrainingByProbe);
            Change(which, state == HealthState.Down ? BackendBlocks.Unhealthy : BackendBlocks.None, Now);
        }

        if (before != state && state != HealthState.Unknown)
        {
            _changed(this, state == HealthState.Down ? PoolEventKind.HealthDown : PoolEventKind.HealthUp, reason);
        }
    }

    /// <summary>What a probe was told; another probe that ends well without it ends it.</summary>
    /// <returns>Whether that is news.</returns>
    internal bool SetProbeDraining(bool drains, string? reason)
    {
        lock (_gate)
        {
            if (drains == ((_blocks & BackendBlocks.DrainingByProbe) != BackendBlocks.None))
            {
                return false;
            }

            Change(BackendBlocks.DrainingByProbe, drains, Now);
        }

        _changed(this, drains ? PoolEventKind.ProbeDraining : PoolEventKind.ProbeDrained, reason);
        return true;
    }

    /// <summary>What discovery says of it; it holds until discovery says otherwise.</summary>
    /// <returns>Whether that is news.</returns>
    internal bool SetDiscoveryDraining(bool drains)
    {
        lock (_gate)
        {
            if (drains == ((_blocks & BackendBlocks.DrainingByDiscovery) != BackendBlocks.None))
            {
                return false;
            }

            Change(BackendBlocks.DrainingByDiscovery, drains, Now);
            return true;
        }
    }

    /// <summary>New addresses of the host name; none makes it unresolved.</summary>
    internal void SetEndPoints(IPEndPoint[] endPoints)
    {
        lock (_gate)
        {
            _endPoints = endPoints;
            Change(BackendBlocks.Unresolved, endPoints.Length == 0, Now);
        }
    }

    /// <summary>A sole candidate is never out: there is nobody to take its place (as NGINX).</summary>
    internal void SetSole(bool sole)
    {
        lock (_gate)
        {
            _sole = sole;
            Publish();
        }
    }

    /// <summary>Options of a reload. What the operator changed stays unless the file changed the same thing.</summary>
    internal void Update(BackendOptions options)
    {
        BackendOptions old = _options;
        _options = options;
        _limit = options.MaxConnections;
        if (old.Weight != options.Weight)
        {
            SetWeight(options.Weight);
        }

        if (old.Down != options.Down)
        {
            SetAdminState(options.Down ? AdminState.Down : AdminState.Up);
        }
    }

    internal void SetRemoved()
    {
        lock (_gate)
        {
            Change(BackendBlocks.Removed, on: true, Now);
        }
    }

    internal static string IdOf(DnsEndPoint address) => address.Host.Contains(':') && !address.Host.StartsWith('[')
        ? $"[{address.Host}]:{address.Port}"
        : $"{address.Host}:{address.Port}";

    public override string ToString() => Id;

    private long Now => MonotonicTime.Milliseconds(_time);

    private static BackendBlocks BlocksOf(AdminState state) => state switch
    {
        AdminState.Drain => BackendBlocks.Draining,
        AdminState.Down => BackendBlocks.AdminDown,
        _ => BackendBlocks.None,
    };

    /// <summary>Under the gate.</summary>
    private void EndOutage(long now)
    {
        _trialClaimed = false;
        _failureWindow.Clear();
        Change(BackendBlocks.Out, on: false, now);
    }

    private void Change(BackendBlocks which, bool on, long now) => Change(which, on ? which : BackendBlocks.None, now);

    private void Change(BackendBlocks which, BackendBlocks value) => Change(which, value, Now);

    /// <summary>Replaces the bits of <paramref name="which"/>; whoever comes back to full duty starts slowly. Under the gate.</summary>
    private void Change(BackendBlocks which, BackendBlocks value, long now)
    {
        BackendBlocks before = _blocks;
        _blocks = (before & ~which) | value;
        if (_blocks != before)
        {
            History.Changed();
        }

        if ((before & FoundFailing) == BackendBlocks.None && (_blocks & FoundFailing) != BackendBlocks.None)
        {
            Interlocked.Exchange(ref _foundFailingAt, now);
        }

        bool cameBack = before != BackendBlocks.None && _blocks == BackendBlocks.None && before != BackendBlocks.Unresolved;
        if (cameBack && _options.SlowStart > TimeSpan.Zero)
        {
            Interlocked.Exchange(ref _rampStart, now);
        }

        Publish();
    }

    private void Publish() => _effective = _sole ? _blocks & ~BackendBlocks.Out : _blocks;
}
