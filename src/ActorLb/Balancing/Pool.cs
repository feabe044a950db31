using System.Collections.Immutable;
using ActorLb.Balancing.Policies;
using ActorLb.Configuration;
using ActorLb.Discovery;

namespace ActorLb.Balancing;

/// <summary>What a reload or discovery has changed.</summary>
public sealed record PoolChange(ImmutableArray<Backend> Added, ImmutableArray<Backend> Removed)
{
    /// <summary>Backends that now drain according to discovery, with its reason, or no longer do (null).</summary>
    public ImmutableArray<(Backend Backend, string? Reason)> Drains { get; init; } = [];
}

/// <summary>
/// A named set of backends. Reactors read <see cref="Snapshot"/> and pick; reloads, discovery and the operator change it under a
/// lock that no pick takes.
/// </summary>
public sealed class Pool
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Action<PoolEvent>? _events;

    // Discovery's last answer, and the backends that result from it in addition to those of the options. Under _gate.
    private ImmutableArray<BackendOptions> _answer = [];
    private ImmutableDictionary<string, string> _draining = DiscoveryAnswer.NobodyDrains;
    private ImmutableArray<BackendOptions> _discovered = [];
    private volatile PoolSnapshot _snapshot;
    private long _inconclusiveProbes;
    private long _lastTicket;

    // Nodes that share connects-per-second. Under _gate.
    private int _nodes = 1;

    /// <param name="events">Called on the thread that caused the change, possibly a reactor's: it must be quick and must not throw.</param>
    public Pool(PoolOptions options, TimeProvider time, Action<PoolEvent>? events = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        Name = options.Name;
        _time = time;
        _events = events;
        _snapshot = new PoolSnapshot(options, [], BalancingPolicy.Create(PlacingKind(options)));
        Apply(options);
    }

    public string Name { get; }

    /// <summary>Probes that this node could not make, so that they say nothing about their backends.</summary>
    public long InconclusiveProbes => Interlocked.Read(ref _inconclusiveProbes);

    internal void CountInconclusiveProbe() => Interlocked.Increment(ref _inconclusiveProbes);

    public PoolSnapshot Snapshot => _snapshot;

    public PoolOptions Options => _snapshot.Options;

    /// <summary>Clients waiting for the first backend with room.</summary>
    internal WaitingLine Line { get; } = new();

    /// <summary>A ticket after all waiting clients, on any reactor.</summary>
    internal long NextTicket() => Interlocked.Increment(ref _lastTicket);

    /// <summary>How many nodes share connects-per-second, including this one.</summary>
    internal void SetNodes(int nodes)
    {
        lock (_gate)
        {
            if (_nodes != nodes)
            {
                _nodes = nodes;
                SetPace();
            }
        }
    }

    /// <summary>
    /// Picks a backend by the snapshot's policy among the eligible primaries, or else among the eligible backups; null when all are
    /// out. The caller then reserves it by <see cref="Backend.TryAcquire"/>, and if that fails picks again with it among the tried ones.
    /// </summary>
    public Backend? Pick(in PickContext context)
    {
        var policy = context.Snapshot.Policy;
        while (true)
        {
            var picked = policy.Pick(context);
            // If primaries only lack room at the moment, the client waits for them: backups are for when there is no primary.
            if (picked is null && context.Snapshot.Backups.Length > 0 && !context.AllowsWithoutRoom())
            {
                picked = policy.Pick(context.Among(context.Snapshot.Backups));
            }

            // If another thread has claimed the trial in between, the backend is ineligible: the next round skips it.
            if (picked is null || picked.TryClaim(context.Now))
            {
                return picked;
            }
        }
    }

    /// <summary>Applies a reload. Backends whose address stays keep their object with its counts, states and operator's weight.</summary>
    public PoolChange Apply(PoolOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_gate)
        {
            if (_snapshot.Options.Discovery is { } asked && (options.Discovery is not { } asks || !asks.AsksAs(asked)))
            {
                // A different query: the old one's result is used until the new answer arrives, and then replaced by it like any other.
                _answer = [];
                _draining = DiscoveryAnswer.NobodyDrains;
                _discovered = options.Discovery is null ? [] : _discovered;
            }

            return Rebuild(options);
        }
    }

    /// <summary>Applies an answer that has backends: see <see cref="DiscoveryMerge"/>.</summary>
    internal PoolChange SetDiscovered(DiscoveryAnswer answer)
    {
        lock (_gate)
        {
            _answer = answer.Backends;
            _draining = answer.Draining;
            _discovered = DiscoveryMerge.Next(Known(), _answer);
            return Rebuild(_snapshot.Options);
        }
    }

    /// <summary>A backend was found to work, or not to: that may decide whether others outside the last answer stay.</summary>
    internal PoolChange ReconsiderDiscovered()
    {
        lock (_gate)
        {
            var next = _answer.IsEmpty ? _discovered : DiscoveryMerge.Next(Known(), _answer);
            if (next.SequenceEqual(_discovered))
            {
                return new PoolChange([], []);
            }

            _discovered = next;
            return Rebuild(_snapshot.Options);
        }
    }

    private KnownBackend[] Known() =>
        [.. _snapshot.Backends.ToArray().Where(b => !b.Options.Added).Select(b => new KnownBackend(b.Options, b.Works, b.Works && b.AdminState == AdminState.Up))];

    internal void Raise(Backend? backend, PoolEventKind kind, string? detail) =>
        _events?.Invoke(new PoolEvent(Name, backend, kind, detail));

    /// <summary>The policy that places new clients.</summary>
    internal static BalanceKind PlacingKind(PoolOptions options) =>
        options.Balance == BalanceKind.Sticky ? options.Place : options.Balance;

    private PoolChange Rebuild(PoolOptions options)
    {
        var old = _snapshot;
        Dictionary<string, Backend> known = new(StringComparer.OrdinalIgnoreCase);
        foreach (var backend in old.Backends)
        {
            known.Add(backend.Id, backend);
        }

        Dictionary<string, Backend> next = new(StringComparer.OrdinalIgnoreCase);
        List<Backend> ordered = [];
        List<Backend> added = [];
        List<(Backend Backend, string? Reason)> drains = [];
        foreach (var wanted in options.Backends.Concat(_discovered))
        {
            string id = Backend.IdOf(wanted.Address);
            if (next.ContainsKey(id))
            {
                continue;
            }

            if (known.Remove(id, out var backend))
            {
                backend.Update(wanted);
            }
            else
            {
                backend = new Backend(wanted, _time, OnChanged);
                added.Add(backend);
            }

            // Backends added by an operator are not discovery's; a draining backend is marked before any pick can see it.
            string? reason = wanted.Added ? null : _draining.GetValueOrDefault(id);
            if (backend.SetDiscoveryDraining(reason is not null))
            {
                drains.Add((backend, reason));
            }

            next.Add(id, backend);
            ordered.Add(backend);
        }

        var policy = PlacingKind(old.Options) == PlacingKind(options)
            ? old.Policy
            : BalancingPolicy.Create(PlacingKind(options));
        _snapshot = new PoolSnapshot(options, [.. ordered], policy);
        SetPace();
        foreach (var gone in known.Values)
        {
            gone.SetRemoved();
            Raise(gone, PoolEventKind.BackendRemoved, null);
        }

        FindSole();
        added.ForEach(b => Raise(b, PoolEventKind.BackendAdded, null));
        drains.ForEach(d => Raise(d.Backend, d.Reason is null ? PoolEventKind.DiscoveryDrained : PoolEventKind.DiscoveryDraining, d.Reason));
        return new PoolChange([.. added], [.. known.Values]) { Drains = [.. drains] };
    }

    private void OnChanged(Backend backend, PoolEventKind kind, string? detail)
    {
        if (kind == PoolEventKind.AdminStateChanged)
        {
            lock (_gate)
            {
                FindSole();
            }
        }

        Raise(backend, kind, detail);
    }

    private void SetPace()
    {
        foreach (var backend in _snapshot.Backends)
        {
            backend.Pace.Set(_snapshot.Options.ConnectsPerSecond, _nodes);
        }
    }

    /// <summary>Candidates are the backends that the operator has up; as in NGINX, a sole one is never taken out by max_fails.</summary>
    private void FindSole()
    {
        int candidates = 0;
        foreach (var backend in _snapshot.Backends)
        {
            candidates += backend.AdminState == AdminState.Up ? 1 : 0;
        }

        foreach (var backend in _snapshot.Backends)
        {
            backend.SetSole(candidates <= 1);
        }
    }
}
