using ActorLb.Configuration;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Balancing;

/// <summary>
/// Whether and why a backend gets clients: the operator's order, the verdicts of probes, clients, discovery and the fleet, and its outages.
/// The base of <see cref="Backend"/>, so that a pick finds all of it in one object. Reads take no lock; changes take <see cref="_gate"/>.
/// </summary>
public abstract class BackendStatus
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;

    private Eligibility _eligibility;
    private Outage _outage = new();
    private AdminOrder _order;
    private volatile HealthState _health;

    // This node's probes: failures in a row, and whether in the last one the backend itself refused clients.
    private volatile int _probeFailures;
    private volatile bool _refuses;

    private long _lastSuccess = long.MinValue / 2;
    private long _failures;
    private volatile BackendOptions _options;

    private protected BackendStatus(BackendOptions options, bool isResolved, TimeProvider time)
    {
        _time = time;
        _options = options;
        History = new BackendHistory(time);
        _order = new AdminOrder(options.Down ? AdminState.Down : AdminState.Up);
        _eligibility = new Eligibility(_order.Blocks | (isResolved ? BackendBlocks.None : BackendBlocks.Unresolved));
    }

    public BackendOptions Options
    {
        get => _options;
        private protected set => _options = value;
    }

    internal BackendHistory History { get; }

    public AdminState AdminState => _order.State;

    /// <summary>Time until a drain turns into down; null for never, and in every other state.</summary>
    public TimeSpan? DrainLeft => _order.DrainLeft(Now);

    /// <summary>The pace at which its sessions are closed; null when they are not. Also set for a backend that the file has down.</summary>
    public PacedDrain? Pacing => _order.Pacing;

    /// <summary>It is down because its drain's deadline has passed: its remaining sessions are closed.</summary>
    public bool IsDrainOver => _order.IsDrainOver;

    /// <summary>An operator's change to it applies on this node, but the fleet has not confirmed it yet.</summary>
    public bool IsChangeLocal { get; set; }

    public HealthState Health => _health;

    /// <summary>Everything that applies at present, for status pages. Once fail-timeout is over it accepts a client again, and is not out.</summary>
    public BackendBlocks Blocks
    {
        get
        {
            var blocks = _eligibility.Effective;
            return (blocks & BackendBlocks.Out) != BackendBlocks.None && _outage.IsTrialDue(Now) ? blocks & ~BackendBlocks.Out : blocks;
        }
    }

    /// <summary>Known to work, by its probes or, without probes, by a client that it accepted, and not found failing since.</summary>
    internal bool Works => (_eligibility.Effective & (Eligibility.FoundFailing | BackendBlocks.Unresolved)) == BackendBlocks.None
        && (_health == HealthState.Up || (_health == HealthState.Unknown && Interlocked.Read(ref _lastSuccess) >= 0));

    /// <summary>Failures reported since the start.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    private long Now => MonotonicTime.Milliseconds(_time);

    /// <summary>Counts a failure (dial, time-out, closed before CONNACK), which may begin an outage.</summary>
    /// <param name="now">Milliseconds of <see cref="MonotonicTime"/>.</param>
    /// <param name="connected">The connection had been established.</param>
    public void ReportFailure(long now, bool connected = true)
    {
        Interlocked.Increment(ref _failures);
        var options = _options;
        if (options.MaxFails <= 0 || _eligibility.IsSole)
        {
            return;
        }

        lock (_gate)
        {
            bool wasOut = _eligibility.Has(BackendBlocks.Out);
            if (!_outage.AddFailure(now, connected, options.MaxFails, (long)options.FailTimeout.TotalMilliseconds, wasOut) || wasOut)
            {
                return;
            }

            Change(BackendBlocks.Out, on: true, now);
        }

        Raise(PoolEventKind.BackendOut, null);
    }

    /// <summary>A connection reached the broker (CONNACK, or connected for plain TCP). Ends the outage when it was the trial.</summary>
    public void ReportSuccess(long now)
    {
        Interlocked.Exchange(ref _lastSuccess, now);
        if (!_outage.IsTrialClaimed)
        {
            return;
        }

        lock (_gate)
        {
            if (!_outage.IsTrialClaimed)
            {
                return;
            }

            EndOutage(now);
        }

        Raise(PoolEventKind.BackendIn, null);
    }

    /// <summary>The result of this node's own probe. A good one ends an outage if it disproves the last failure.</summary>
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
            if (!_eligibility.Has(BackendBlocks.Out) || !_outage.IsDisprovedBy(probe, now))
            {
                return;
            }

            EndOutage(now);
        }

        Raise(PoolEventKind.BackendIn, null);
    }

    /// <summary>The operator wants it up: earlier failures no longer count.</summary>
    public void ForgetFailures()
    {
        lock (_gate)
        {
            _outage.ForgetFailures();
            if (!_eligibility.Has(BackendBlocks.Out))
            {
                return;
            }

            EndOutage(Now);
        }

        Raise(PoolEventKind.BackendIn, null);
    }

    /// <summary>Whether it accepted a client within the last fail-timeout: a backend that closes early then is busy rather than dead.</summary>
    public bool HasAnsweredLately(long now) => now - Interlocked.Read(ref _lastSuccess) <= _options.FailTimeout.TotalMilliseconds;

    /// <summary>
    /// Whether a client that is mapped to it may try it although it was found failing: for a short time afterwards, since the client's session
    /// is there and the verdict may be wrong. There is no grace after two failed probes in a row, after the backend's own refusal, or when
    /// the operator has taken it out.
    /// </summary>
    /// <param name="now">Milliseconds of <see cref="MonotonicTime"/>.</param>
    /// <param name="grace">Milliseconds; 0 for none.</param>
    public bool HasGrace(long now, long grace) => !_refuses && _probeFailures < 2 && _eligibility.HasGrace(now, grace);

    /// <summary>
    /// True unless the backend is out and another thread has claimed this trial. A trial whose outcome is never reported is followed by
    /// the next one after fail-timeout.
    /// </summary>
    internal bool TryClaim(long now)
    {
        if ((_eligibility.Effective & BackendBlocks.Out) == BackendBlocks.None)
        {
            return true;
        }

        if (!_outage.TryClaim(now, (long)_options.FailTimeout.TotalMilliseconds))
        {
            return false;
        }

        lock (_gate)
        {
            _outage.SetTrialClaimed(_eligibility.Has(BackendBlocks.Out));
        }

        return true;
    }

    /// <summary>Sets what the operator wants, on this node or anywhere in the fleet.</summary>
    /// <param name="state">The new state.</param>
    /// <param name="drainLeft">For a drain: the time after which the caller will take it down.</param>
    /// <param name="isDrainOver">For a backend that is down: because its drain's deadline has passed.</param>
    /// <param name="pacing">The pace at which its sessions are closed; null leaves them open.</param>
    public void SetAdminState(AdminState state, TimeSpan? drainLeft = null, bool isDrainOver = false, PacedDrain? pacing = null)
    {
        PacedDrain? before;
        bool isNew;
        lock (_gate)
        {
            long now = Now;
            before = _order.Pacing;
            isNew = _order.Set(state, drainLeft, isDrainOver, pacing, now);
            if (isNew)
            {
                Change(BackendBlocks.AdminDown | BackendBlocks.Draining, _order.Blocks, now);
            }
        }

        if (isNew)
        {
            if (state == AdminState.Up)
            {
                ForgetFailures();
            }

            Raise(PoolEventKind.AdminStateChanged, state.ToString());
        }

        // The event of a new state already implies the end of a pace.
        if ((!isNew || pacing is not null) && PacedDrain.Event(before, pacing) is { } kind)
        {
            Raise(kind, pacing is null ? null : RateText.Of(pacing.Rate));
        }
    }

    /// <summary>The verdict of the fleet's majority, in addition to this node's.</summary>
    public void SetFleetHealth(bool up)
    {
        if (TrySwitch(BackendBlocks.FleetUnhealthy, !up))
        {
            Raise(up ? PoolEventKind.FleetHealthUp : PoolEventKind.FleetHealthDown, null);
        }
    }

    /// <summary>The verdict of this node's probes.</summary>
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
            if (before != state)
            {
                History.Changed();
            }

            // Down takes precedence over draining; and without probes nothing would ever end the draining.
            var which = BackendBlocks.Unhealthy | (state == HealthState.Up ? BackendBlocks.None : BackendBlocks.DrainingByProbe);
            Change(which, state == HealthState.Down ? BackendBlocks.Unhealthy : BackendBlocks.None, Now);
        }

        if (before != state && state != HealthState.Unknown)
        {
            Raise(state == HealthState.Down ? PoolEventKind.HealthDown : PoolEventKind.HealthUp, reason);
        }
    }

    /// <summary>Whether the backend asked a probe for no new clients; the next good probe without this ends it.</summary>
    /// <returns>Whether this is a change.</returns>
    internal bool SetProbeDraining(bool drains, string? reason)
    {
        bool isNew = TrySwitch(BackendBlocks.DrainingByProbe, drains);
        if (isNew)
        {
            Raise(drains ? PoolEventKind.ProbeDraining : PoolEventKind.ProbeDrained, reason);
        }

        return isNew;
    }

    /// <summary>Whether discovery says that it should get no new clients; applies until discovery says otherwise.</summary>
    /// <returns>Whether this is a change.</returns>
    internal bool SetDiscoveryDraining(bool drains) => TrySwitch(BackendBlocks.DrainingByDiscovery, drains);

    /// <summary>A sole candidate is never out, since no other one could take its place (as in NGINX).</summary>
    internal void SetSole(bool isSole)
    {
        lock (_gate)
        {
            _eligibility.SetSole(isSole);
        }
    }

    internal void SetRemoved() => TrySwitch(BackendBlocks.Removed, on: true);

    private protected abstract void Raise(PoolEventKind kind, string? detail);

    /// <summary>Whether nothing keeps a client away at <paramref name="now"/>, or only what does not concern one that is mapped to the backend.</summary>
    private protected bool IsAvailable(long now, bool newClient)
    {
        var blocks = _eligibility.Effective;
        if (!newClient)
        {
            blocks &= ~Eligibility.ForNewClients;
        }

        return blocks == BackendBlocks.None || (blocks == BackendBlocks.Out && _outage.IsTrialDue(now));
    }

    /// <inheritdoc cref="Eligibility.Weight"/>
    private protected long SlowStarted(int weight, long now) => _eligibility.Weight(weight, _options.SlowStart, now);

    private protected void SetUnresolved(bool isUnresolved) => TrySwitch(BackendBlocks.Unresolved, isUnresolved);

    /// <summary>Under the gate.</summary>
    private void EndOutage(long now)
    {
        _outage.SetTrialClaimed(false);
        _outage.ForgetFailures();
        Change(BackendBlocks.Out, on: false, now);
    }

    private bool TrySwitch(BackendBlocks block, bool on)
    {
        lock (_gate)
        {
            if (on == _eligibility.Has(block))
            {
                return false;
            }

            Change(block, on, Now);
            return true;
        }
    }

    private void Change(BackendBlocks which, bool on, long now) => Change(which, on ? which : BackendBlocks.None, now);

    /// <summary>Under the gate.</summary>
    private void Change(BackendBlocks which, BackendBlocks value, long now)
    {
        if (_eligibility.Change(which, value, _options.SlowStart > TimeSpan.Zero, now))
        {
            History.Changed();
        }
    }
}
