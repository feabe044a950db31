using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Discovery.Emqx;
using ActorLb.Protocol.Failures;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using Microsoft.Extensions.Logging;
using Backoff = ActorLb.Supervision.Backoff;

namespace ActorLb.Hosting;

/// <summary>
/// Tells the sticky map from EMQX's list of clients which broker holds whose session, so that after a restart of all balancers the clients
/// come back to it. Beside the clients' way, a page at a time at a bounded rate. Each node of a fleet reads the list and keeps what
/// belongs to the shards that it owns: nobody has to be chosen for it, and nothing crosses the fleet.
/// </summary>
/// <param name="pools">Null for a pool that is gone.</param>
/// <param name="maxEntries">That this node's map holds at most.</param>
internal sealed partial class StickySeeding(
    Func<ShardedMap> map, Func<string, Pool?> pools, NameResolution names, int maxEntries, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const int PageSize = 5000;

    /// <summary>Clients a second: EMQX finds a page by counting from the beginning.</summary>
    private const int Rate = 10_000;

    /// <summary>Of one page, several times.</summary>
    private const int Tries = 6;

    /// <summary>Shards come to a node one by one after it has joined; what was read before its shard came is read again.</summary>
    private const int MostPasses = 5;

    private static readonly TimeSpan PagePatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1), LastRetry = TimeSpan.FromSeconds(15);

    // Of the control plane, one call at a time.
    private readonly Dictionary<string, Run> _runs = new(StringComparer.Ordinal);

    // A list without end is none; the clients of a whole fleet are more than a node's map holds.
    private readonly long _mostPages = (16L * maxEntries / PageSize) + 2;

    /// <param name="Done">Whether the list was read to its end.</param>
    private sealed record Run(EmqxDiscoveryOptions Options, CancellationTokenSource Stop, Task<bool> Done);

    /// <summary>What became of the clients of the list, by <see cref="SeedResult"/>.</summary>
    private sealed class Tally
    {
        private readonly long[] _counts = new long[Enum.GetValues<SeedResult>().Length];

        public long this[SeedResult result] => _counts[(int)result];

        /// <summary>Of the last pass.</summary>
        public long Clients { get; private set; }

        public void BeginPass()
        {
            long added = this[SeedResult.Added];
            Array.Clear(_counts);
            _counts[(int)SeedResult.Added] = added;
            Clients = 0;
        }

        public void Add(SeedResult result)
        {
            _counts[(int)result]++;
            Clients++;
        }
    }

    /// <summary>Begins for pools that want it and were not seeded from that cluster yet, and stops for those that want it no more.</summary>
    public async Task FollowAsync(IEnumerable<PoolOptions> wanted)
    {
        var next = new Dictionary<string, EmqxDiscoveryOptions>(StringComparer.Ordinal);
        foreach (var pool in wanted)
        {
            if (pool.Discovery is EmqxDiscoveryOptions { Seed: true } emqx) next.Add(pool.Name, emqx);
        }

        foreach ((string name, var run) in _runs.ToArray())
        {
            bool hasFailed = run.Done.IsCompleted && !await run.Done.ConfigureAwait(false);
            if (next.GetValueOrDefault(name)?.AsksAs(run.Options) == true && !hasFailed) continue;
            await run.Stop.CancelAsync().ConfigureAwait(false);
            await run.Done.ConfigureAwait(false);
            run.Stop.Dispose();
            _runs.Remove(name);
        }

        foreach ((string name, var options) in next)
        {
            if (_runs.ContainsKey(name)) continue;
            var stop = new CancellationTokenSource();
            _runs.Add(name, new Run(options, stop, Task.Run(() => RunAsync(name, options, stop.Token), CancellationToken.None)));
        }
    }

    public async ValueTask DisposeAsync() => await FollowAsync([]).ConfigureAwait(false);

    private async Task<bool> RunAsync(string name, EmqxDiscoveryOptions options, CancellationToken stop)
    {
        var tally = new Tally();
        long began = time.GetTimestamp();
        try
        {
            await UntilAsync(() => map().Open().Contains(true) && pools(name) is { } pool && pool.Snapshot.Backends.ToArray().Any(b => b.Reference != 0), stop)
                .ConfigureAwait(false);
            began = time.GetTimestamp();
            for (int pass = 1; ; pass++)
            {
                bool[] before = map().Open();
                await PassAsync(name, options, tally, stop).ConfigureAwait(false);
                if (pass == MostPasses || !before.Contains(false)) break;
                await Task.Delay(Settle, time, stop).ConfigureAwait(false);
                if (!map().Open().Zip(before).Any(s => s is { First: true, Second: false })) break;
            }

            Log.Seeded(
                logger, name, tally[SeedResult.Added], tally.Clients, time.GetElapsedTime(began).TotalSeconds, tally[SeedResult.Known],
                tally[SeedResult.Elsewhere], tally[SeedResult.NoBackend], tally[SeedResult.NoRoom]);
            return true;
        }
        catch (OperationCanceledException)
        {
            if (tally.Clients > 0) Log.Stopped(logger, name, tally[SeedResult.Added]);
        }
        catch (IOException e)
        {
            Log.GaveUp(logger, name, tally[SeedResult.Added], tally.Clients, FailureText.Describe(e));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Log.Failed(logger, name, e);
        }

        return false;
    }

    /// <summary>Reads the list once, from its beginning to its end, or until no more would fit into the map.</summary>
    private async Task PassAsync(string name, EmqxDiscoveryOptions options, Tally tally, CancellationToken stop)
    {
        tally.BeginPass();
        var discovery = new EmqxDiscovery(options, names);
        for (int page = 1; page <= _mostPages; page++)
        {
            long asked = time.GetTimestamp(), listed = map().Clock.Milliseconds;
            var answer = await PageAsync(discovery, page, stop).ConfigureAwait(false);
            var clients = answer.Data ?? [];
            if (pools(name) is not { } pool) return;
            long added = tally[SeedResult.Added], without = tally[SeedResult.NoRoom];
            Take(pool, options.Port, clients, listed, tally);
            bool isFull = tally[SeedResult.NoRoom] > without && tally[SeedResult.Added] == added;
            if (clients.Length == 0 || isFull || !(answer.Meta?.HasNext ?? clients.Length >= PageSize)) return;
            var left = TimeSpan.FromSeconds((double)clients.Length / Rate) - time.GetElapsedTime(asked);
            if (left > TimeSpan.Zero) await Task.Delay(left, time, stop).ConfigureAwait(false);
        }
    }

    private async Task<EmqxClientPage> PageAsync(EmqxDiscovery discovery, int page, CancellationToken stop)
    {
        var retry = new Backoff(FirstRetry, LastRetry, new Random());
        for (int left = Tries; ; left--)
        {
            try
            {
                return await discovery.ClientsAsync(page, PageSize, PagePatience, stop).ConfigureAwait(false);
            }
            catch (IOException) when (left > 1)
            {
                await Task.Delay(retry.Next(), time, stop).ConfigureAwait(false);
            }
        }
    }

    private void Take(Pool pool, int port, EmqxClient?[] clients, long listed, Tally tally)
    {
        byte[] poolName = Encoding.UTF8.GetBytes(pool.Name);
        var backends = new Dictionary<string, BackendRef>(StringComparer.Ordinal);
        var target = map();
        foreach (var client in clients)
        {
            if (client is not { ClientId: { Length: > 0 } id, Node: { } node })
            {
                tally.Add(SeedResult.NoBackend);
                continue;
            }

            if (!backends.TryGetValue(node, out var backend))
            {
                backend = Find(pool, node, port);
                backends.Add(node, backend);
            }

            tally.Add(target.Seed(target.Hash(poolName, Encoding.UTF8.GetBytes(id)), backend, listed));
        }
    }

    /// <summary>The backend of a node; none for one that EMQX sends its clients away from, where it would refuse them.</summary>
    private static BackendRef Find(Pool pool, string node, int port) =>
        EmqxCluster.HostOf(node) is { } host && pool.Snapshot.Find(Backend.IdOf(new System.Net.DnsEndPoint(host, port))) is { } backend
        && !backend.Blocks.HasFlag(BackendBlocks.DrainingByDiscovery) ? BackendRef.FromValue(backend.Reference) : BackendRef.None;

    private async Task UntilAsync(Func<bool> holds, CancellationToken stop)
    {
        while (!holds()) await Task.Delay(Look, time, stop).ConfigureAwait(false);
    }

    private static partial class Log
    {
        [LoggerMessage(2211, LogLevel.Information, "pool {Pool}: EMQX's list of clients gave the sticky map {Added} entries, of {Clients} clients in {Seconds:0.#} s; {Known} it knew already, {Elsewhere} belong to other nodes' shards, {NoBackend} are on no backend of the pool, {NoRoom} had no room")]
        public static partial void Seeded(ILogger logger, string pool, long added, long clients, double seconds, long known, long elsewhere, long noBackend, long noRoom);

        [LoggerMessage(2212, LogLevel.Information, "pool {Pool}: reading EMQX's list of clients was stopped; it gave the sticky map {Added} entries")]
        public static partial void Stopped(ILogger logger, string pool, long added);

        [LoggerMessage(2213, LogLevel.Warning, "pool {Pool}: EMQX's list of clients could not be read completely; it gave the sticky map {Added} entries, of {Clients} clients: {Problem}")]
        public static partial void GaveUp(ILogger logger, string pool, long added, long clients, string problem);

        [LoggerMessage(2214, LogLevel.Error, "pool {Pool}: reading EMQX's list of clients failed; its clients are placed as new ones")]
        public static partial void Failed(ILogger logger, string pool, Exception e);
    }
}
