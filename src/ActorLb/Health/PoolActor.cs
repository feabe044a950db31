using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Discovery.Emqx;
using ActorLb.Protocol.Failures;
using ActorLb.Supervision;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Health;

/// <summary>
/// The control plane of one pool: decides based on what its children find (one per backend, and one for discovery) and applies reloads.
/// Reactors see its decisions only through the <see cref="Pool"/>, which also holds what must survive a restart: options, backends,
/// verdicts.
/// </summary>
internal sealed partial class PoolActor : SupervisedActor
{
    private readonly Pool _pool;
    private readonly NameResolution _names;
    private readonly Func<PoolOptions, Backend, IHealthProbe?> _probes;
    private readonly TaskCompletionSource _ready;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Random _random;
    private readonly Func<IPEndPoint, string?> _ownListener;
    private readonly DiscoveryReport _report;

    private readonly Dictionary<Backend, BackendWatch> _watches = [];
    private readonly HashSet<Backend> _unsettled = [];
    private bool _begun;
    private bool _discoveryUnsettled;

    // The last probe was inconclusive, and this was logged.
    private bool _unableToProbe;
    private IActorRef _discovery = ActorRefs.Nobody;

    /// <param name="ready">Completed when every name has been resolved once.</param>
    /// <param name="random">This actor's own.</param>
    public PoolActor(
        Pool pool, NameResolution names, Func<PoolOptions, Backend, IHealthProbe?> probes, TaskCompletionSource ready, TimeProvider time,
        ILogger logger, Random random, Func<IPEndPoint, string?> ownListener)
    {
        _pool = pool;
        _names = names;
        _probes = probes;
        _ready = ready;
        _time = time;
        _logger = logger;
        _random = random;
        _ownListener = ownListener;
        _report = new DiscoveryReport(pool, ownListener, logger);
    }

    protected override void Begin()
    {
        if (_begun)
        {
            return;
        }

        _begun = true;
        StartDiscovery();
        WatchNewBackends();
        Settle();
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case PoolMessage.Reload reload:
                OnReload(reload);
                return true;
            case PoolMessage.Discovered found:
                OnDiscovered(found);
                return true;
            case PoolMessage.Resolved resolved:
                OnResolved(resolved);
                return true;
            case PoolMessage.Probed probed:
                OnProbed(probed);
                return true;
            case PoolMessage.BackendStarted started:
                OnBackendStarted(started);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Informs the sender of the message that failed; the children stop, and <see cref="Begin"/> starts new ones.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        if (message is PoolMessage.Reload)
        {
            Sender.Tell(new Status.Failure(reason));
        }

        base.PreRestart(reason, message);
    }

    private void OnBackendStarted(PoolMessage.BackendStarted started)
    {
        if (_watches.TryGetValue(started.Backend, out var watch))
        {
            StartProbing(watch);
        }
    }

    private void OnProbed(PoolMessage.Probed probed)
    {
        if (!_watches.TryGetValue(probed.Backend, out var watch) || watch.Order != probed.Order)
        {
            return;
        }

        var result = probed.Result;
        watch.Backend.History.Probed(new BackendProbe(_time.GetUtcNow(), result.Inconclusive ? null : result.Alive, result.Took, result.Reason));
        if (result.Inconclusive)
        {
            _pool.CountInconclusiveProbe();
            if (!_unableToProbe)
            {
                _unableToProbe = true;
                Log.UnableToProbe(_logger, _pool.Name, watch.Backend.Id, result.Reason);
            }

            return;
        }

        _unableToProbe = false;
        if (result.Alive && watch.Backend.SetProbeDraining(result.Drains, result.Reason))
        {
            if (result.Drains) Log.Draining(_logger, _pool.Name, watch.Backend.Id, result.Reason);
            else Log.DrainEnded(_logger, _pool.Name, watch.Backend.Id);
        }

        if (watch.Judge(result, _pool.Options.Health))
        {
            Follow(_pool.ReconsiderDiscovered());
        }
    }

    /// <summary>Updates the watches after a change by discovery.</summary>
    private void Follow(PoolChange change)
    {
        if (change.Added.Length + change.Removed.Length > 0)
        {
            Log.Discovered(_logger, _pool.Name, _pool.Options.Discovery?.Source, _pool.Snapshot.Backends.Length, change.Added.Length, change.Removed.Length);
            _pool.Raise(backend: null, PoolEventKind.Discovered, string.Join(", ", _pool.Snapshot.Backends.ToArray().Select(b => b.Id)));
        }

        TellDrains(change);

        Forget(change.Removed);
        WatchNewBackends();
    }

    private void OnResolved(PoolMessage.Resolved resolved)
    {
        (var backend, var addresses, string? problem) = resolved;
        if (!_watches.TryGetValue(backend, out var watch))
        {
            return;
        }

        string? own = null;
        addresses = [.. addresses.Where(a => (_ownListener(new IPEndPoint(a, backend.Address.Port)) is { } listener ? own = listener : null) is null)];
        if (own is not null && addresses.Length == 0)
        {
            // There is an answer, but it is not a broker's: the last known addresses are dropped.
            backend.SetEndPoints([]);
            problem = $"its name leads to this node itself ({own}): each of its clients would come back as a new one";
        }

        if (problem is not null)
        {
            // Addresses that worked stay: a failing resolver says nothing about the broker.
            if (!string.Equals(watch.ResolveProblem, problem, StringComparison.Ordinal))
            {
                Log.Unresolved(_logger, _pool.Name, backend.Id, problem, backend.EndPoint is null ? "none" : "the last known");
                _pool.Raise(backend, PoolEventKind.BackendUnresolved, problem);
            }
        }
        else if (!backend.EndPoints.ToArray().Select(e => e.Address).SequenceEqual(addresses))
        {
            backend.SetEndPoints([.. addresses.Select(a => new IPEndPoint(a, backend.Address.Port))]);
            _pool.Raise(backend, PoolEventKind.BackendResolved, string.Join(", ", addresses.Select(a => a.ToString())));
        }

        watch.ResolveProblem = problem;
        _unsettled.Remove(backend);
        Settle();
    }

    private void OnDiscovered(PoolMessage.Discovered found)
    {
        if (_pool.Options.Discovery != found.Question)
        {
            return;
        }

        if (found.Problem is { } problem)
        {
            _report.Failed(found.Question.Source, problem);
        }
        else
        {
            var answer = _report.WithoutThisNode(found.Question.Source, found.Answer);
            Follow(_pool.SetDiscovered(answer));
            _report.Answered(found.Question.Source, answer);
        }

        _report.Remarked(found.Answer.Remark);
        _discoveryUnsettled = false;
        Settle();
    }

    private void OnReload(PoolMessage.Reload reload)
    {
        Begin();
        var old = _pool.Options;
        var options = reload.Options;
        var change = _pool.Apply(options);
        TellDrains(change);
        Forget(change.Removed);
        // Always with TLS: the files named in the options may have changed.
        if (old.Health != options.Health || old.ProxyProtocol != options.ProxyProtocol || old.Tls != options.Tls || options.Tls is not null
            || !string.Equals(old.WebSocketPath, options.WebSocketPath, StringComparison.Ordinal))
        {
            foreach (var watch in _watches.Values)
            {
                StartProbing(watch);
            }
        }

        if (old.Discovery != options.Discovery)
        {
            StartDiscovery();
        }

        WatchNewBackends();
        Settle();
        Sender.Tell(change);
    }

    private void Settle()
    {
        if (_unsettled.Count == 0 && !_discoveryUnsettled)
        {
            _ready.TrySetResult();
        }
    }

    private void WatchNewBackends()
    {
        foreach (var backend in _pool.Snapshot.Backends)
        {
            if (_watches.ContainsKey(backend))
            {
                continue;
            }

            int seed = _random.Next();
            var actor = Context.ActorOf(
                ActorProps.Of(() => new BackendActor(backend, _names, _time, new Random(seed))), ActorNames.FreeFor(Context, backend.Id));
            BackendWatch watch = new(_pool.Name, backend, actor, _logger);
            _watches.Add(backend, watch);
            if (!watch.IsLiteral)
            {
                _unsettled.Add(backend);
            }
        }
    }

    private void StartProbing(BackendWatch watch)
    {
        var options = _pool.Options;
        IHealthProbe? probe = null;
        try
        {
            probe = _probes(options, watch.Backend);
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
        {
            // Without its files the probe cannot say anything; clients' connections will.
            Log.NoProbe(_logger, _pool.Name, watch.Backend.Id, FailureText.Describe(e));
        }

        watch.Order = new ProbeOrder(probe, options.Health);
        watch.Actor.Tell(watch.Order);
        if (probe is null)
        {
            watch.Forget();
        }
    }

    private void Forget(IEnumerable<Backend> removed)
    {
        foreach (var gone in removed)
        {
            _unsettled.Remove(gone);
            if (_watches.Remove(gone, out var watch))
            {
                Context.Stop(watch.Actor);
            }
        }
    }

    /// <summary>Starts the discovery that the current options ask for; an earlier one is stopped.</summary>
    private void StartDiscovery()
    {
        Context.Stop(_discovery);
        _discovery = ActorRefs.Nobody;
        _discoveryUnsettled = _pool.Options.Discovery is not null;
        if (_pool.Options.Discovery is { } question)
        {
            int seed = _random.Next();
            Func<CancellationToken, Task<DiscoveryAnswer>> ask = question switch
            {
                DnsDiscoveryOptions dns => async cancel => new DiscoveryAnswer(await DnsDiscovery.FindAsync(dns, _names, cancel).ConfigureAwait(false)),
                EmqxDiscoveryOptions emqx => new EmqxDiscovery(emqx, _names).FindAsync,
                _ => throw new InvalidOperationException($"Unknown kind of discovery: {question.Source}"),
            };
            _discovery = Context.ActorOf(
                ActorProps.Of(() => new DiscoveryActor(question, ask, new Random(seed))), ActorNames.FreeFor(Context, "discovery"));
        }
    }

    private void TellDrains(PoolChange change)
    {
        foreach ((var backend, string? reason) in change.Drains)
        {
            if (reason is not null) Log.DrainedByDiscovery(_logger, _pool.Name, backend.Id, reason);
            else Log.DrainEnded(_logger, _pool.Name, backend.Id);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2003, LogLevel.Warning, "pool {Pool}: backend {Backend} cannot be resolved: {Problem}; using {Addresses} of its addresses")]
        public static partial void Unresolved(ILogger logger, string pool, string backend, string problem, string addresses);

        [LoggerMessage(2005, LogLevel.Information, "pool {Pool}: {Name} has {Count} backends, {Added} new, {Removed} gone")]
        public static partial void Discovered(ILogger logger, string pool, string? name, int count, int added, int removed);

        [LoggerMessage(2006, LogLevel.Error, "pool {Pool}: backend {Backend} is not probed: {Reason}")]
        public static partial void NoProbe(ILogger logger, string pool, string backend, string reason);

        [LoggerMessage(2010, LogLevel.Error, "pool {Pool}: backend {Backend} cannot be probed: {Reason}; this is a problem of this node, so the backends keep their last state")]
        public static partial void UnableToProbe(ILogger logger, string pool, string backend, string? reason);

        [LoggerMessage(2016, LogLevel.Warning, "pool {Pool}: backend {Backend} is draining at its own request ({Reason}): it gets no new clients")]
        public static partial void Draining(ILogger logger, string pool, string backend, string? reason);

        [LoggerMessage(2017, LogLevel.Information, "pool {Pool}: backend {Backend} is no longer draining")]
        public static partial void DrainEnded(ILogger logger, string pool, string backend);

        [LoggerMessage(2018, LogLevel.Warning, "pool {Pool}: backend {Backend} is draining ({Reason}): it gets no new clients")]
        public static partial void DrainedByDiscovery(ILogger logger, string pool, string backend, string reason);
    }
}
