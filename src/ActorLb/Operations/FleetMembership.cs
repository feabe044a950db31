using System.Collections.Immutable;
using System.Globalization;
using ActorLb.Balancing;
using ActorLb.Cluster;
using ActorLb.Configuration;
using ActorLb.Fleet;
using ActorLb.Protocol.Admin;
using ActorLb.Sticky;

namespace ActorLb.Operations;

/// <summary>The operator's wishes in a fleet: what is changed holds on every node, because all read it from the cluster's store.</summary>
internal sealed class FleetMembership(FleetNode node, StickyOptions options, TimeProvider time) : IFleetOperations
{
    /// <summary>The store hangs for seven seconds when it has no leader, then says so.</summary>
    private static readonly TimeSpan StorePatience = TimeSpan.FromSeconds(10);

    /// <summary>For what this process or a peer answers from memory. Past it a <see cref="TimeoutException"/> tells that it does not.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>From the store's word to this node's own backends: one turn of the watch.</summary>
    private static readonly TimeSpan EchoPatience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan EchoPoll = TimeSpan.FromMilliseconds(10);

    private readonly FleetOperations _operations = new(node);

    public Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, TimeSpan? deadline, CancellationToken cancel)
    {
        // What the file takes out stays out: an operator can only take out more.
        if (state == AdminState.Up && backend.Options.Down)
        {
            return Task.FromResult<Refusal?>(new Refusal(
                RefusalKind.Refused, $"backend {backend.Id} of pool {pool.Name} is down by this node's file (down = on): change it there and reload"));
        }
        string word = state switch { AdminState.Drain => BackendRegistry.Drain, AdminState.Down => BackendRegistry.Down, _ => BackendRegistry.Up };
        uint? seconds = deadline is { } after ? (uint)Math.Ceiling(after.TotalSeconds) : null;
        Task<string?> change = node.ChangeAsync((core, done) => core.Backends.Change(
            new BackendKey(pool.Name, backend.Id), record => BackendRegistry.InState(record, word, seconds), done));
        return ChangeAsync(change, () => backend.AdminState == state && backend.DrainLeft.HasValue == seconds.HasValue, cancel);
    }

    public Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel) =>
        ChangeAsync(_operations.SetWeightAsync(pool.Name, backend.Id, weight), () => backend.Weight == weight, cancel);

    public Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel)
    {
        uint before = backend.Reference;
        return ChangeAsync(_operations.FlushAsync(pool.Name, backend.Id), () => backend.Reference != before, cancel);
    }

    public async Task<StickyFinding> FindAsync(string pool, string clientId, CancellationToken cancel)
    {
        Fleet.StickyEntry entry = await _operations.GetStickyAsync(pool, clientId).WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        return new StickyFinding(entry.Backend, entry.Shard, OwnerOf(entry.Shard), entry.Outcome);
    }

    public async Task<Refusal?> ImposeAsync(string pool, string clientId, BackendRef backend, CancellationToken cancel)
    {
        if (backend.IsNone)
        {
            StickyFinding before = await FindAsync(pool, clientId, cancel).ConfigureAwait(false);
            if (before is { Backend.IsNone: true, Outcome: not StickyOutcome.Fallback }) return FleetRefusals.NoEntry;
            Fleet.StickyEntry cleared = await _operations.ClearStickyAsync(pool, clientId).WaitAsync(Patience, time, cancel).ConfigureAwait(false);
            return cleared.Outcome == StickyOutcome.Fallback ? FleetRefusals.OwnerSilent(OwnerOf(cleared.Shard), cleared.Shard) : null;
        }
        Fleet.StickyEntry set = await _operations.SetStickyAsync(pool, clientId, backend).WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        if (set.Outcome == StickyOutcome.Fallback) return FleetRefusals.OwnerSilent(OwnerOf(set.Shard), set.Shard);
        return set.Backend == backend ? null : FleetRefusals.TakesNobody;
    }

    public async Task<StickyStats> StickyStatsAsync(string[] stickyPools, CancellationToken cancel)
    {
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        return new StickyStats(
            status.Node, status.Shards.Entries, status.Shards.Bytes, status.Shards.Evicted, options.MaxEntries, options.Ttl.TotalSeconds, stickyPools);
    }

    public async Task<ClusterMembers> MembersAsync(CancellationToken cancel)
    {
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        return new ClusterMembers(status.Cluster, [.. status.Members.OrderBy(m => m.Name, StringComparer.Ordinal).Select(Describe)]);
    }

    public async Task<ClusterStatus> StatusAsync(CancellationToken cancel)
    {
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        ImmutableArray<ShardLine> shards = await node.GetShardsAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        string? store = status.IsStoreUp switch { null => "the cluster store was not heard of yet", true => null, _ => status.StoreFault ?? "the cluster store is down" };
        return new ClusterStatus(
            status.Cluster, status.Node, "etcd", status.Members.FirstOrDefault(m => m.IsCoordinator)?.Name, status.Members.Length,
            status.Members.Count(m => !m.IsReachable), shards.Length, status.Shards.Owned, shards.Count(s => s.Next is not null),
            status.IsLeaving ? "leaving" : status.IsRegistered ? "up" : "joining", store);
    }

    public async Task<Refusal?> LeaveAsync(string? name, CancellationToken cancel) =>
        await StrangerAsync(name, cancel).ConfigureAwait(false)
        ?? await ChangeAsync(_operations.LeaveAsync(name ?? node.Self.Name), () => true, cancel).ConfigureAwait(false);

    public async Task<Refusal?> DownAsync(string name, CancellationToken cancel) =>
        await StrangerAsync(name, cancel).ConfigureAwait(false)
        ?? await ChangeAsync(_operations.DownAsync(name), () => true, cancel).ConfigureAwait(false);

    public async Task<ShardRegions> RegionsAsync(CancellationToken cancel)
    {
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        ImmutableArray<ShardLine> shards = await node.GetShardsAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        ILookup<string?, ShardLine> incoming = shards.ToLookup(s => s.Next);
        return new ShardRegions(
            [
                .. status.Members.OrderBy(m => m.Name, StringComparer.Ordinal).Select(m => new ShardRegionInfo(
                    m.Name, m.Address, m.Owned, m.Copies, incoming[m.Name].Count(), m.IsSelf ? status.Shards.Entries : null)),
            ]);
    }

    public async Task<ShardList?> ShardsAsync(string? name, CancellationToken cancel)
    {
        if (name is not null && await StrangerAsync(name, cancel).ConfigureAwait(false) is not null) return null;
        string self = node.Self.Name;
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        ImmutableArray<ShardLine> shards = await node.GetShardsAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        return new ShardList(
            [
                .. shards.Where(s => name is null || s.Owner == name || s.Replica == name || s.Next == name).Select(s => new ShardInfo(
                    s.Shard, s.Owner, s.Replica, s.Next, s.Owner == self || s.Replica == self ? s.Entries : null, status.Epoch)),
            ]);
    }

    public async Task<ShardingStats> ShardingAsync(CancellationToken cancel)
    {
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        ImmutableArray<ShardLine> shards = await node.GetShardsAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        int[] own = [.. shards.Where(s => s.Owner == status.Node).Select(s => s.Entries).DefaultIfEmpty(0)];
        return new ShardingStats(
            status.Node, shards.Length, status.Shards.Owned, status.Shards.Copies, shards.Count(s => s.Next is not null),
            status.Shards.Entries, own.Min(), own.Max());
    }

    /// <summary>The coordinator moves shards by itself whenever they are uneven: there is nothing to wake, only something to tell.</summary>
    public async Task<(Refusal? Refusal, int Moving)> RebalanceAsync(CancellationToken cancel)
    {
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        if (status.IsStoreUp != true) return (new Refusal(RefusalKind.Unavailable, $"the cluster store is not up: {status.StoreFault ?? "not heard of yet"}"), 0);
        ImmutableArray<ShardLine> shards = await node.GetShardsAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        return (null, shards.Count(s => s.Next is not null));
    }

    private static ClusterMember Describe(FleetMember m) => new(
        m.Name, m.Address, m.Zone, m.IsLeaving ? "leaving" : m.IsReachable ? "up" : "unreachable", m.IsSelf, m.IsCoordinator, m.Owned,
        m.Incarnation.ToString("x16", CultureInfo.InvariantCulture));

    private string? OwnerOf(int shard)
    {
        ShardMap map = node.Region.Context.View.Map;
        return shard < map.Shards.Length ? map.NodeAt(map.Shards[shard].Owner)?.Name : null;
    }

    private async Task<Refusal?> StrangerAsync(string? name, CancellationToken cancel)
    {
        if (name is null) return null;
        FleetStatus status = await node.GetStatusAsync().WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        return status.Members.Any(m => m.Name == name) ? null : FleetRefusals.NoNode(name, status.Members.Select(m => m.Name));
    }

    /// <summary>Waits for the store's word, then until this node has heard of it too, so that the answer shows what holds.</summary>
    private async Task<Refusal?> ChangeAsync(Task<string?> change, Func<bool> inForce, CancellationToken cancel)
    {
        try
        {
            if (await change.WaitAsync(StorePatience, time, cancel).ConfigureAwait(false) is { } reason) return new Refusal(RefusalKind.Unavailable, reason);
        }
        catch (TimeoutException)
        {
            return new Refusal(RefusalKind.Unavailable, $"the cluster store has not answered within {StorePatience.TotalSeconds} s; the change may still come");
        }
        long start = time.GetTimestamp();
        while (!inForce() && time.GetElapsedTime(start) < EchoPatience) await Task.Delay(EchoPoll, time, cancel).ConfigureAwait(false);
        return null;
    }
}
