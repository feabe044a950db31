using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using Akka.Actor;

namespace ActorLb.Standalone;

/// <summary>The operations of a node by itself: the only member, its own coordinator, and the owner of every shard.</summary>
/// <param name="drains">The <see cref="DrainActor"/>.</param>
internal sealed class StandaloneOperations(
    string name, string cluster, StickyOptions options, LocalStickyMap sticky, LocalBackendSlots slots, Func<bool> isReady,
    Func<bool> isDraining, IActorRef drains) : IOperatorCommands
{
    private static readonly Task<Refusal?> Granted = Task.FromResult<Refusal?>(null);

    private string State => isDraining() ? "draining" : isReady() ? "up" : "starting";

    public async Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, TimeSpan? deadline, CancellationToken cancel)
    {
        await drains.Ask<DrainActor.Done>(new DrainActor.Order(backend, state, deadline), cancel).ConfigureAwait(false);
        return null;
    }

    public async Task<Refusal?> DrainAtPaceAsync(Pool pool, Backend backend, double rate, TimeSpan? deadline, CancellationToken cancel)
    {
        if (FleetRefusals.NobodyElse(pool, backend) is { } refusal) return refusal;
        await drains.Ask<DrainActor.Done>(new DrainActor.Order(backend, AdminState.Drain, deadline, rate), cancel).ConfigureAwait(false);
        return null;
    }

    public async Task<Refusal?> SetDrainPausedAsync(Pool pool, Backend backend, bool paused, CancellationToken cancel)
    {
        if (FleetRefusals.NoPacing(pool, backend) is { } refusal) return refusal;
        await drains.Ask<DrainActor.Done>(new DrainActor.Pause(backend, paused), cancel).ConfigureAwait(false);
        return null;
    }

    public Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel)
    {
        backend.SetWeight(weight);
        return Granted;
    }

    public Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel)
    {
        slots.Flush(backend);
        return Granted;
    }

    public Task<StickyFinding> FindAsync(string pool, string clientId, CancellationToken cancel)
    {
        ulong h = KeyOf(pool, clientId);
        return Task.FromResult(new StickyFinding(sticky.Peek(h), sticky.ShardOf(h), name, StickyOutcome.Local));
    }

    public Task<Refusal?> ImposeAsync(string pool, string clientId, BackendRef backend, CancellationToken cancel) =>
        sticky.Impose(KeyOf(pool, clientId), backend)
            ? Granted
            : Task.FromResult<Refusal?>(backend.IsNone ? FleetRefusals.NoEntry : FleetRefusals.TakesNobody);

    public Task<StickyStats> StickyStatsAsync(string[] stickyPools, CancellationToken cancel)
    {
        var map = sticky.Measure();
        return Task.FromResult(new StickyStats(
            name, map.Entries, map.Bytes, map.Evicted, options.MaxEntries, options.Ttl.TotalSeconds,
            stickyPools));
    }

    public Task<ClusterMembers> MembersAsync(CancellationToken cancel) => Task.FromResult(
        new ClusterMembers(cluster, [new ClusterMember(name, null, null, State, Self: true, Coordinator: true, LocalStickyMap.Shards, null)]));

    public Task<ClusterStatus> StatusAsync(CancellationToken cancel) => Task.FromResult(
        new ClusterStatus(cluster, name, "none", name, 1, 0, LocalStickyMap.Shards, LocalStickyMap.Shards, 0, State, null));

    public Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel) => Task.FromResult<Refusal?>(
        Missing(node) ?? new Refusal(RefusalKind.Refused, $"{name} is by itself (no cluster.seeds): there is no cluster to leave; see node drain"));

    public Task<Refusal?> DownAsync(string node, CancellationToken cancel) => Task.FromResult<Refusal?>(
        Missing(node) ?? new Refusal(RefusalKind.Refused, $"{name} is by itself (no cluster.seeds) and cannot be given up"));

    public Task<ShardRegions> RegionsAsync(CancellationToken cancel) => Task.FromResult(
        new ShardRegions([new ShardRegionInfo(name, null, LocalStickyMap.Shards, 0, 0, sticky.Count)]));

    public Task<ShardList?> ShardsAsync(string? node, CancellationToken cancel) => Task.FromResult(node is not null && node != name
        ? null
        : new ShardList([.. Counts().Select((count, shard) => new ShardInfo(shard, name, null, null, count, 0))]));

    public Task<ShardingStats> ShardingAsync(CancellationToken cancel)
    {
        int[] counts = Counts();
        return Task.FromResult(new ShardingStats(
            name, counts.Length, counts.Length, 0, 0, counts.Sum(c => (long)c), counts.Min(), counts.Max()));
    }

    /// <summary>There is no other node to move shards to.</summary>
    public Task<(Refusal? Refusal, int Moving)> RebalanceAsync(CancellationToken cancel) => Task.FromResult<(Refusal?, int)>((null, 0));

    private int[] Counts() => [.. Enumerable.Range(0, LocalStickyMap.Shards).Select(sticky.CountOf)];

    private ulong KeyOf(string pool, string clientId) => sticky.Hash(Encoding.UTF8.GetBytes(pool), Encoding.UTF8.GetBytes(clientId));

    private Refusal? Missing(string? node) => node is null || node == name ? null : FleetRefusals.NoNode(node, [name]);
}
