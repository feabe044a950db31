using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying;
using ActorLb.Sticky;

namespace ActorLb.Operations;

/// <summary>The fleet of one: it is its only member, coordinates itself and owns every shard.</summary>
internal sealed class LoneNode(
    string name, string cluster, Func<StickyOptions> options, LocalStickyMap sticky, LocalBackendSlots slots, Func<bool> isReady,
    Func<bool> isDraining) : IFleetOperations
{
    private static readonly Task<Refusal?> Granted = Task.FromResult<Refusal?>(null);

    private string State => isDraining() ? "draining" : isReady() ? "up" : "starting";

    public Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, CancellationToken cancel)
    {
        backend.SetAdminState(state);
        return Granted;
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

    public Task<StickyFinding> FindAsync(ulong h, CancellationToken cancel) =>
        Task.FromResult(new StickyFinding(sticky.Peek(h), StickyHash.ShardOf(h), name));

    public Task<Refusal?> ImposeAsync(ulong h, BackendRef backend, CancellationToken cancel)
    {
        if (sticky.Impose(h, backend)) return Granted;
        return Task.FromResult<Refusal?>(backend.IsNone
            ? new Refusal(RefusalKind.Unknown, "the client has no entry")
            : new Refusal(RefusalKind.Refused, "the backend takes no new clients: it is drained, down or gone"));
    }

    public StickyStats StickyStats(string[] stickyPools)
    {
        long entries = 0, bytes = 0, evicted = 0;
        for (int i = 0; i < StickyHash.Shards; i++)
        {
            (int count, long size, long pushed) = sticky.Measure(i);
            entries += count;
            bytes += size;
            evicted += pushed;
        }
        StickyOptions now = options();
        return new StickyStats(name, entries, bytes, evicted, now.MaxEntries, now.Ttl.TotalSeconds, stickyPools);
    }

    public ClusterMembers Members() =>
        new(cluster, [new ClusterMember(name, null, null, State, Self: true, Coordinator: true, 1, StickyHash.Shards, null)]);

    public ClusterStatus Status() =>
        new(cluster, name, "local", name, 1, 0, StickyHash.Shards, StickyHash.Shards, 0, "none", State);

    public Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel) => Task.FromResult<Refusal?>(
        Stranger(node) ?? new Refusal(RefusalKind.Refused, $"{name} is by itself (coordinator = local): there is no cluster to leave; see node drain"));

    public Task<Refusal?> DownAsync(string node, CancellationToken cancel) => Task.FromResult<Refusal?>(
        Stranger(node) ?? new Refusal(RefusalKind.Refused, $"{name} is by itself (coordinator = local) and cannot be given up"));

    public ShardRegions Regions() =>
        new(0, [new ShardRegionInfo(name, null, StickyHash.Shards, 0, 0, sticky.Count)]);

    public ShardList? Shards(string? node) => node is not null && node != name
        ? null
        : new ShardList(0, [.. Enumerable.Range(0, StickyHash.Shards).Select(i => new ShardInfo(i, name, null, null, sticky.Measure(i).Entries))]);

    public ShardingStats Sharding()
    {
        int[] counts = [.. Enumerable.Range(0, StickyHash.Shards).Select(i => sticky.Measure(i).Entries)];
        return new ShardingStats(
            name, 0, counts.Length, counts.Length, 0, 0, counts.Sum(c => (long)c), counts.Min(), counts.Max());
    }

    /// <summary>All shards are where they belong already.</summary>
    public Task<Refusal?> RebalanceAsync(CancellationToken cancel) => Granted;

    private Refusal? Stranger(string? node) => node is null || node == name
        ? null
        : new Refusal(RefusalKind.Unknown, $"no node '{node}' in the cluster; there is: {name}");
}
