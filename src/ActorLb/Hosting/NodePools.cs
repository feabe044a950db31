using System.Collections.Immutable;
using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Health;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Routing;
using ActorLb.Tls;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <param name="Upstream">What reactors dial.</param>
/// <param name="Control">Its probes and its discovery.</param>
internal sealed record RunningPool(UpstreamPool Upstream, PoolControl Control);

/// <summary>The node's pools. Changed by <see cref="ConfigurationApplier"/>, one change at a time; read by any thread.</summary>
/// <param name="nodes">How many nodes share the backends.</param>
internal sealed class NodePools(
    ActorSystem system, NameResolution names, OwnProbes probes, EmptyPools empty, Func<int> nodes, TimeProvider time, ILoggerFactory loggers)
{
    /// <summary>How long a start or reload waits for the first addresses of host names.</summary>
    private static readonly TimeSpan ResolveWait = TimeSpan.FromSeconds(3);

    private readonly int _ephemeralPorts = SourceAddresses.ReadEphemeralPorts();
    private ImmutableDictionary<string, RunningPool> _running = ImmutableDictionary<string, RunningPool>.Empty.WithComparers(StringComparer.Ordinal);

    /// <summary>Hears what happens in the pools, on any thread. Set before there are any.</summary>
    public Action<PoolEvent> Happened { get; set; } = static _ => { };

    /// <summary>By name.</summary>
    public ImmutableDictionary<string, RunningPool> Running => _running;

    public IEnumerable<UpstreamPool> Upstreams => _running.Values.Select(p => p.Upstream);

    public IEnumerable<(string Pool, Backend Backend)> Backends => BackendsByPool.Select(b => (b.Pool.Name, b.Backend));

    public IEnumerable<(Pool Pool, Backend Backend)> BackendsByPool =>
        from entry in _running.Values from backend in entry.Upstream.Pool.Snapshot.Backends.ToArray() select (entry.Upstream.Pool, backend);

    public UpstreamPool? Find(string name) => _running.TryGetValue(name, out var found) ? found.Upstream : null;

    /// <summary>Brings the pools in line with a configuration. Those that it no longer has are gone from here and still run.</summary>
    /// <param name="ownListener">What of this node takes connections at an address; null when nothing does.</param>
    /// <returns>The pools that the configuration no longer has.</returns>
    public async Task<IReadOnlyList<RunningPool>> ApplyAsync(
        ActorLbOptions options, TlsContexts contexts, Func<IPEndPoint, string?> ownListener)
    {
        var next = _running.ToBuilder();
        var starting = new List<Task>();
        RunningPool[] gone = [.. _running.Where(p => !options.Pools.ContainsKey(p.Key)).Select(p => p.Value)];
        foreach (var pool in gone) next.Remove(pool.Upstream.Name);
        foreach (var pool in options.Pools.Values)
        {
            var tls = contexts.Client(pool.Name);
            next[pool.Name] = _running.TryGetValue(pool.Name, out var known)
                ? Reload(known, pool, tls, starting) : Start(pool, tls, ownListener, starting);
        }
        // A slow resolver does not keep the node from starting: what is not resolved yet gets no clients.
        await Task.WhenAny(Task.WhenAll(starting), Task.Delay(ResolveWait, time)).ConfigureAwait(false);
        _running = next.ToImmutable();
        foreach (var pool in gone) empty.Forget(pool.Upstream.Name);
        foreach (var pool in Upstreams) empty.Look(pool.Pool);
        return gone;
    }

    /// <summary>Brings the backends in line with those of the options.</summary>
    /// <returns>Backends that are gone.</returns>
    public async Task<IReadOnlyList<(string Pool, string Id)>> ApplyBackendsAsync(ActorLbOptions options, CancellationToken cancel)
    {
        var gone = new List<(string Pool, string Id)>();
        foreach (var pool in options.Pools.Values)
        {
            if (!_running.TryGetValue(pool.Name, out var known) || known.Upstream.Options.Backends.SequenceEqual(pool.Backends)) continue;
            var change = await known.Control.ReloadAsync(pool, cancel).ConfigureAwait(false);
            gone.AddRange(change.Removed.Select(b => (pool.Name, b.Id)));
            empty.Look(known.Upstream.Pool);
        }
        return gone;
    }

    /// <summary>Puts renewed TLS contexts into force.</summary>
    public async Task RenewAsync(TlsContexts contexts)
    {
        foreach ((string name, var pool) in _running)
        {
            if (contexts.Client(name) is not { } tls) continue;
            _running = _running.SetItem(name, pool with { Upstream = new UpstreamPool(pool.Upstream.Pool, pool.Upstream.Sources, tls) });
            // Its probes speak TLS of their own.
            await pool.Control.ReloadAsync(pool.Upstream.Options, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>The number of nodes that share the backends has changed.</summary>
    public void SetNodes(int count)
    {
        foreach (var pool in Upstreams) pool.Pool.SetNodes(count);
    }

    public Task StopAsync() => Task.WhenAll(_running.Values.Select(p => p.Control.StopAsync()));

    private RunningPool Reload(RunningPool known, PoolOptions pool, TlsClientContext? tls, List<Task> starting)
    {
        bool sameSources = known.Upstream.Options.SourceAddresses.SequenceEqual(pool.SourceAddresses);
        var sources = sameSources ? known.Upstream.Sources : SourceAddresses.Create(pool.SourceAddresses, _ephemeralPorts);
        starting.Add(known.Control.ReloadAsync(pool, CancellationToken.None));
        return known with { Upstream = new UpstreamPool(known.Upstream.Pool, sources, tls) };
    }

    private RunningPool Start(PoolOptions options, TlsClientContext? tls, Func<IPEndPoint, string?> ownListener, List<Task> starting)
    {
        var pool = new Pool(options, time, OnEvent);
        pool.SetNodes(nodes());
        var control = PoolControl.Start(
            system, pool, names, (p, b) => HealthProbes.Create(p, b, probes), time, loggers.CreateLogger("ActorLb.Health"),
            ownListener: ownListener);
        starting.Add(control.Ready);
        return new RunningPool(new UpstreamPool(pool, SourceAddresses.Create(options.SourceAddresses, _ephemeralPorts), tls), control);
    }

    private void OnEvent(PoolEvent e)
    {
        Happened(e);
        // A pool that is being made is looked at when it is complete.
        if (_running.TryGetValue(e.Pool, out var known)) empty.Look(known.Upstream.Pool);
    }
}
