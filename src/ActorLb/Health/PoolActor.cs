using System.Net;
using System.Security.Cryptography;
using ActorLb.Actors;
using ActorLb.Balancing;
using ActorLb.Balancing.Discovery;
using ActorLb.Configuration;
using Microsoft.Extensions.Logging;

namespace ActorLb.Health;

/// <summary>
/// The control plane of one pool: resolves names, discovers backends by DNS, probes, applies reloads. Reactors see what it decides
/// through the <see cref="Pool"/> alone.
/// </summary>
internal sealed partial class PoolActor : Actor<PoolMessage>
{
    /// <summary>Messages are few and their senders wait, so that this only smooths bursts.</summary>
    private const int MailboxCapacity = 256;

    private readonly NameResolution _names;
    private readonly Func<PoolOptions, Backend, IHealthProbe?> _probes;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Random _random;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Dictionary<Backend, BackendWatch> _watches = [];
    private readonly HashSet<Backend> _unsettled = [];
    private bool _discoveryUnsettled;

    // The last probe said nothing, and this was logged.
    private bool _unableToProbe;
    private string? _discoveryProblem;
    private int _leftOut;
    private int _kept;
    private Task _discovering = Task.CompletedTask;
    private CancellationTokenSource? _discoveringEnd;

    /// <param name="probes">The probe of a backend, null for none: <see cref="HealthProbes.Create"/>.</param>
    public PoolActor(
        Pool pool, NameResolution names, Func<PoolOptions, Backend, IHealthProbe?> probes, TimeProvider time, ILogger logger,
        Random? random = null)
        : base($"pool {pool.Name}", MailboxCapacity, FullMailbox.Wait, time, logger, random)
    {
        Pool = pool;
        _names = names;
        _probes = probes;
        _time = time;
        _logger = logger;
        _random = random ?? Random.Shared;
    }

    public Pool Pool { get; }

    /// <summary>Done when every name was asked for once, found or not: the time to open listeners.</summary>
    public Task Ready => _ready.Task;

    /// <exception cref="MailboxException">The actor has stopped.</exception>
    public async Task<PoolChange> ReloadAsync(PoolOptions options, CancellationToken cancellationToken)
    {
        Reply<PoolChange> reply = new();
        await PostAsync(new PoolMessage.Reload(options, reply), cancellationToken).ConfigureAwait(false);
        return await reply.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override ValueTask StartedAsync()
    {
        StartDiscovery();
        WatchNewBackends();
        Settle();
        return ValueTask.CompletedTask;
    }

    protected override ValueTask HandleAsync(PoolMessage message) => message switch
    {
        PoolMessage.Probed m => OnProbedAsync(m.Watch, m.Result),
        PoolMessage.Resolved m => OnResolved(m.Watch, m.Addresses, m.Problem),
        PoolMessage.Discovered m => OnDiscoveredAsync(m),
        PoolMessage.Reload m => OnReloadAsync(m),
        _ => throw new InvalidOperationException($"Unknown message {message}."),
    };

    /// <summary>The handler may have failed half-way: bring the watches in line with the pool.</summary>
    protected override async ValueTask RestartAsync()
    {
        HashSet<Backend> present = [.. Pool.Snapshot.Backends];
        await ForgetAsync(_watches.Keys.Where(b => !present.Contains(b)).ToArray()).ConfigureAwait(false);
        await StopDiscoveryAsync().ConfigureAwait(false);
        StartDiscovery();
        WatchNewBackends();
        Settle();
    }

    protected override async ValueTask StoppedAsync()
    {
        _ready.TrySetResult();
        await StopDiscoveryAsync().ConfigureAwait(false);
        foreach (BackendWatch watch in _watches.Values)
        {
            await watch.StopAsync().ConfigureAwait(false);
        }

        _watches.Clear();
    }

    private async ValueTask OnProbedAsync(BackendWatch watch, ProbeResult result)
    {
        if (!IsWatched(watch) || Pool.Options.Health.Probe == ProbeKind.None)
        {
            return;
        }

        if (result.Inconclusive)
        {
            Pool.CountInconclusiveProbe();
            if (!_unableToProbe)
            {
                _unableToProbe = true;
                Log.UnableToProbe(_logger, Pool.Name, watch.Backend.Id, result.Reason);
            }

            return;
        }

        _unableToProbe = false;
        HealthTrack before = watch.Track;
        HealthOptions health = Pool.Options.Health;
        watch.Track = before.Next(result.Alive, health.Rise, health.Fall, result.Refused);
        watch.Backend.ReportProbe(new ProbeReport(
            result.Alive, result.Refused, watch.Track.Failures, result.Began, HealthProbes.ProvesClients(health, watch.Backend)));
        if (watch.Track.State != before.State)
        {
            watch.Backend.SetHealth(watch.Track.State, result.Reason);
            if (watch.Track.State == HealthState.Down)
            {
                Log.HealthDown(_logger, Pool.Name, watch.Backend.Id, result.Reason);
            }
            else if (before.State == HealthState.Down)
            {
                Log.HealthUp(_logger, Pool.Name, watch.Backend.Id);
            }

            await FollowAsync(Pool.ReconsiderDiscovered()).ConfigureAwait(false);
        }
    }

    /// <summary>Brings the watches in line with what discovery changed.</summary>
    private async ValueTask FollowAsync(PoolChange change)
    {
        if (change.Added.Length + change.Removed.Length > 0)
        {
            Log.Discovered(_logger, Pool.Name, Pool.Options.Dns?.Name, Pool.Snapshot.Backends.Length, change.Added.Length, change.Removed.Length);
            Pool.Raise(backend: null, PoolEventKind.Discovered, string.Join(", ", Pool.Snapshot.Backends.ToArray().Select(b => b.Id)));
        }

        await ForgetAsync(change.Removed).ConfigureAwait(false);
        WatchNewBackends();
    }

    private ValueTask OnResolved(BackendWatch watch, IPAddress[] addresses, string? problem)
    {
        if (!IsWatched(watch))
        {
            return ValueTask.CompletedTask;
        }

        Backend backend = watch.Backend;
        if (problem is not null)
        {
            // Addresses that worked stay: a resolver that fails says nothing of the broker.
            if (!string.Equals(watch.ResolveProblem, problem, StringComparison.Ordinal))
            {
                Log.Unresolved(_logger, Pool.Name, backend.Id, problem, backend.EndPoint is null ? "none" : "the last known");
                Pool.Raise(backend, PoolEventKind.BackendUnresolved, problem);
            }
        }
        else if (!backend.EndPoints.ToArray().Select(e => e.Address).SequenceEqual(addresses))
        {
            backend.SetEndPoints([.. addresses.Select(a => new IPEndPoint(a, backend.Address.Port))]);
            Pool.Raise(backend, PoolEventKind.BackendResolved, string.Join(", ", addresses.Select(a => a.ToString())));
        }

        watch.ResolveProblem = problem;
        _unsettled.Remove(backend);
        Settle();
        return ValueTask.CompletedTask;
    }

    private async ValueTask OnDiscoveredAsync(PoolMessage.Discovered found)
    {
        if (Pool.Options.Dns != found.Question)
        {
            return;
        }

        if (found.Problem is { } problem)
        {
            if (!string.Equals(_discoveryProblem, problem, StringComparison.Ordinal))
            {
                Log.DiscoveryFailed(_logger, Pool.Name, found.Question.Name, problem);
                Pool.Raise(backend: null, PoolEventKind.DiscoveryFailed, problem);
            }
        }
        else
        {
            await FollowAsync(Pool.SetDiscovered(found.Backends)).ConfigureAwait(false);
            TellUnlike(found);
        }

        _discoveryProblem = found.Problem;
        _discoveryUnsettled = false;
        Settle();
    }

    /// <summary>Says, when it changes, in what the pool differs from the answer.</summary>
    private void TellUnlike(PoolMessage.Discovered found)
    {
        int left = Math.Max(0, found.Backends.Length - DiscoveryMerge.MaxTargets);
        int kept = Pool.Snapshot.Backends.ToArray().Count(b => !found.Backends.Any(f => Backend.IdOf(f.Address) == b.Id));
        if (left > 0 && _leftOut != left)
        {
            Log.TooMany(_logger, Pool.Name, found.Question.Name, found.Backends.Length, DiscoveryMerge.MaxTargets);
        }

        if (kept > 0 && _kept != kept)
        {
            Log.Kept(_logger, Pool.Name, found.Question.Name, kept);
        }

        (_leftOut, _kept) = (left, kept);
    }

    private async ValueTask OnReloadAsync(PoolMessage.Reload reload)
    {
        PoolOptions old = Pool.Options;
        PoolOptions options = reload.Options;
        PoolChange change = Pool.Apply(options);
        await ForgetAsync(change.Removed).ConfigureAwait(false);
        // With TLS always: the files that the options name may hold something else by now.
        if (old.Health != options.Health || old.ProxyProtocol != options.ProxyProtocol || old.Tls != options.Tls || options.Tls is not null
            || !string.Equals(old.WebSocketPath, options.WebSocketPath, StringComparison.Ordinal))
        {
            foreach (BackendWatch watch in _watches.Values)
            {
                await watch.StopProbingAsync().ConfigureAwait(false);
                StartProbing(watch);
            }
        }

        if (old.Dns != options.Dns)
        {
            await StopDiscoveryAsync().ConfigureAwait(false);
            StartDiscovery();
        }

        WatchNewBackends();
        Settle();
        reload.Reply.Set(change);
    }

    private bool IsWatched(BackendWatch watch) =>
        _watches.TryGetValue(watch.Backend, out BackendWatch? current) && ReferenceEquals(current, watch);

    private void Settle()
    {
        if (_unsettled.Count == 0 && !_discoveryUnsettled)
        {
            _ready.TrySetResult();
        }
    }

    private void WatchNewBackends()
    {
        foreach (Backend backend in Pool.Snapshot.Backends)
        {
            if (_watches.ContainsKey(backend))
            {
                continue;
            }

            BackendWatch watch = new(backend, _names, _time, _random, PostAsync);
            _watches.Add(backend, watch);
            if (!watch.IsLiteral)
            {
                _unsettled.Add(backend);
            }

            watch.StartResolving(Stopping);
            StartProbing(watch);
        }
    }

    private void StartProbing(BackendWatch watch)
    {
        PoolOptions options = Pool.Options;
        try
        {
            if (_probes(options, watch.Backend) is { } probe)
            {
                watch.StartProbing(probe, options.Health, Stopping);
                return;
            }
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
        {
            // Without its files the probe cannot say anything; the connections themselves will.
            Log.NoProbe(_logger, Pool.Name, watch.Backend.Id, e.Message);
        }

        watch.Track = default;
        watch.Backend.SetHealth(HealthState.Unknown, reason: null);
    }

    private async ValueTask ForgetAsync(IEnumerable<Backend> removed)
    {
        foreach (Backend gone in removed)
        {
            _unsettled.Remove(gone);
            if (_watches.Remove(gone, out BackendWatch? watch))
            {
                await watch.StopAsync().ConfigureAwait(false);
            }
        }
    }

    private void StartDiscovery()
    {
        _discoveryUnsettled = Pool.Options.Dns is not null;
        if (Pool.Options.Dns is { } question)
        {
            _discoveringEnd = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
            CancellationToken end = _discoveringEnd.Token;
            Random own = new(_random.Next());
            _discovering = Task.Run(() => DiscoverLoopAsync(question, own, end), CancellationToken.None);
        }
    }

    private async Task StopDiscoveryAsync()
    {
        if (_discoveringEnd is not null)
        {
            await _discoveringEnd.CancelAsync().ConfigureAwait(false);
            await _discovering.ConfigureAwait(false);
            _discoveringEnd.Dispose();
            _discoveringEnd = null;
        }
    }

    private async Task DiscoverLoopAsync(DnsDiscoveryOptions question, Random own, CancellationToken end)
    {
        TimeSpan first = TimeSpan.FromSeconds(1);
        Backoff retry = new(first, question.Interval > first ? question.Interval : first, own);
        try
        {
            while (true)
            {
                PoolMessage.Discovered message;
                try
                {
                    var backends = await DnsDiscovery.FindAsync(question, _names, end).ConfigureAwait(false);
                    message = new(question, backends, backends.IsEmpty ? "no backend found" : null);
                    retry.Reset();
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    message = new(question, [], e.Message);
                }

                await PostAsync(message, end).ConfigureAwait(false);
                await Task.Delay(message.Problem is null ? question.Interval : retry.Next(), _time, end).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The end of the discovery.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Warning, "Pool {Pool}: backend {Backend} is down: {Reason}")]
        public static partial void HealthDown(ILogger logger, string pool, string backend, string? reason);

        [LoggerMessage(2002, LogLevel.Information, "Pool {Pool}: backend {Backend} is up again")]
        public static partial void HealthUp(ILogger logger, string pool, string backend);

        [LoggerMessage(2003, LogLevel.Warning, "Pool {Pool}: backend {Backend} cannot be resolved: {Problem}; using {Addresses} of its addresses")]
        public static partial void Unresolved(ILogger logger, string pool, string backend, string problem, string addresses);

        [LoggerMessage(2004, LogLevel.Warning, "Pool {Pool}: discovery of {Name} failed: {Problem}; its backends stay as they are")]
        public static partial void DiscoveryFailed(ILogger logger, string pool, string name, string problem);

        [LoggerMessage(2005, LogLevel.Information, "Pool {Pool}: {Name} has {Count} backends, {Added} new, {Removed} gone")]
        public static partial void Discovered(ILogger logger, string pool, string? name, int count, int added, int removed);

        [LoggerMessage(2007, LogLevel.Warning, "Pool {Pool}: {Name} has {Count} backends; {Taken} of them are taken")]
        public static partial void TooMany(ILogger logger, string pool, string name, int count, int taken);

        [LoggerMessage(2008, LogLevel.Warning, "Pool {Pool}: {Name} does not name {Kept} backends that work; they stay until those that it names do, or until they fail")]
        public static partial void Kept(ILogger logger, string pool, string name, int kept);

        [LoggerMessage(2010, LogLevel.Error, "Pool {Pool}: backend {Backend} cannot be probed: {Reason}; this is of this node, so the backends stay as they were found before")]
        public static partial void UnableToProbe(ILogger logger, string pool, string backend, string? reason);

        [LoggerMessage(2006, LogLevel.Error, "Pool {Pool}: backend {Backend} is not probed: {Reason}")]
        public static partial void NoProbe(ILogger logger, string pool, string backend, string reason);
    }
}
