using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying;
using ActorLb.Sticky;
using ClusterStatus = ActorLb.Protocol.Admin.ClusterStatus;
using FleetMember = ActorLb.Fleet.FleetMember;

namespace ActorLb.Operations;

/// <summary>A node among others: what is changed through it holds on all, once the store has it.</summary>
internal sealed class NodeInFleet(FleetNode fleet, Func<StickyOptions> options, Func<bool> isReady, Func<bool> isDraining) : IFleetOperations
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly FleetOperations _operations = new(fleet);

    private string State => isDraining() ? "draining" : isReady() ? "up" : "starting";

    public Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, CancellationToken cancel) =>
        Judge(_operations.SetStateAsync(pool.Name, backend.Id, state switch
        {
            AdminState.Drain => SlotState.Drain,
            AdminState.Down => SlotState.Down,
            _ => SlotState.Up,
        }), cancel);

    public Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel) =>
        Judge(_operations.SetWeightAsync(pool.Name, backend.Id, weight), cancel);

    public Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel) =>
        Judge(_operations.FlushAsync(pool.Name, backend.Id), cancel);

    public async Task<StickyFinding> FindAsync(ulong h, CancellationToken cancel)
    {
        var waiter = new Waiter();
        if (!fleet.Region.GetOrAssign(h, default, waiter, 0, out StickyAnswer answer)) answer = await waiter.Answer.WaitAsync(cancel).ConfigureAwait(false);
        int shard = StickyHash.ShardOf(h);
        Cluster.ShardMap map = fleet.Region.Context.View.Map;
        string? owner = shard < map.Shards.Length ? map.NodeAt(map.Shards[shard].Owner)?.Name : null;
        return new StickyFinding(answer.Backend, shard, owner);
    }

    public async Task<Refusal?> ImposeAsync(ulong h, BackendRef backend, CancellationToken cancel)
    {
        var waiter = new Waiter();
        if (!fleet.Region.Impose(h, backend, waiter, 0, out StickyAnswer answer)) answer = await waiter.Answer.WaitAsync(cancel).ConfigureAwait(false);
        if (answer.Outcome == StickyOutcome.Fallback) return new Refusal(RefusalKind.Unavailable, "the node that owns the client's shard does not answer");
        return answer.Backend == backend ? null : new Refusal(RefusalKind.Refused, "the backend takes no new clients: it is drained, down or gone");
    }

    public StickyStats StickyStats(string[] stickyPools)
    {
        ShardStatus shards = FleetSummary.Shards(fleet.Region, out _);
        StickyOptions now = options();
        return new StickyStats(fleet.Self.Name, shards.Entries, shards.Bytes, shards.Evicted, now.MaxEntries, now.Ttl.TotalSeconds, stickyPools);
    }

    public async Task<ClusterMembers> MembersAsync(CancellationToken cancel)
    {
        FleetStatus status = await StatusOfFleetAsync(cancel).ConfigureAwait(false);
        return new ClusterMembers(status.Cluster, [.. status.Members.Select(m => new ClusterMember(
            m.Name, m.Address, m.Zone, StateOf(m), m.IsSelf, m.IsCoordinator, m.Weight, m.Owned, m.Incarnation.ToString("x16")))]);
    }

    public async Task<ClusterStatus> StatusAsync(CancellationToken cancel)
    {
        FleetStatus status = await StatusOfFleetAsync(cancel).ConfigureAwait(false);
        string store = status.IsStoreUp switch { true => "up", false => status.StoreFault ?? "down", null => "not asked yet" };
        return new ClusterStatus(
            status.Cluster, status.Node, "etcd", status.Members.FirstOrDefault(m => m.IsCoordinator)?.Name, status.Members.Length, status.Epoch,
            StickyHash.Shards, status.Shards.Owned, Moving(), store, status.IsLeaving ? "leaving" : State);
    }

    public Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel) => Judge(_operations.LeaveAsync(node ?? fleet.Self.Name), cancel);

    public Task<Refusal?> DownAsync(string node, CancellationToken cancel) => Judge(_operations.DownAsync(node), cancel);

    public async Task<ShardRegions> RegionsAsync(CancellationToken cancel)
    {
        FleetStatus status = await StatusOfFleetAsync(cancel).ConfigureAwait(false);
        Cluster.ShardMap map = fleet.Region.Context.View.Map;
        return new ShardRegions(status.Epoch, [.. status.Members.Select(m => new ShardRegionInfo(
            m.Name, m.Address, m.Owned, m.Copies, map.Shards.Count(s => map.NodeAt(s.Next)?.Name == m.Name), m.IsSelf ? status.Shards.Entries : null))]);
    }

    public async Task<ShardList?> ShardsAsync(string? node, CancellationToken cancel)
    {
        System.Collections.Immutable.ImmutableArray<ShardLine> lines = await fleet.GetShardsAsync().WaitAsync(cancel).ConfigureAwait(false);
        FleetStatus status = await StatusOfFleetAsync(cancel).ConfigureAwait(false);
        if (node is not null && !status.Members.Any(m => m.Name == node)) return null;
        string self = fleet.Self.Name;
        return new ShardList(status.Epoch, [.. lines
            .Where(l => node is null || l.Owner == node || l.Replica == node)
            .Select(l => new ShardInfo(l.Shard, l.Owner, l.Replica, l.Next, l.Owner == self || l.Replica == self ? l.Entries : null))]);
    }

    public async Task<ShardingStats> ShardingAsync(CancellationToken cancel)
    {
        FleetStatus status = await StatusOfFleetAsync(cancel).ConfigureAwait(false);
        int[] own = [.. (await fleet.GetShardsAsync().WaitAsync(cancel).ConfigureAwait(false)).Where(l => l.Owner == status.Node).Select(l => l.Entries)];
        return new ShardingStats(
            status.Node, status.Epoch, StickyHash.Shards, status.Shards.Owned, status.Shards.Copies, Moving(), status.Shards.Entries,
            own.DefaultIfEmpty(0).Min(), own.DefaultIfEmpty(0).Max());
    }

    /// <summary>The coordinator balances whenever a node comes or goes: there is never anything left to do by hand.</summary>
    public async Task<Refusal?> RebalanceAsync(CancellationToken cancel)
    {
        FleetStatus status = await StatusOfFleetAsync(cancel).ConfigureAwait(false);
        return status.Epoch == 0 ? new Refusal(RefusalKind.Unavailable, "there is no shard table yet") : null;
    }

    private static string StateOf(FleetMember member) => member.IsLeaving ? "leaving" : member.IsReachable ? "up" : "unreachable";

    private int Moving()
    {
        Cluster.ShardMap map = fleet.Region.Context.View.Map;
        return map.Shards.Count(s => map.NodeAt(s.Next) is not null);
    }

    private Task<FleetStatus> StatusOfFleetAsync(CancellationToken cancel) => fleet.GetStatusAsync().WaitAsync(Patience, cancel);

    private static async Task<Refusal?> Judge(Task<string?> change, CancellationToken cancel)
    {
        string? problem;
        try
        {
            problem = await change.WaitAsync(Patience, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return new Refusal(RefusalKind.Unavailable, "the cluster store does not answer; the outcome is unknown");
        }
        if (problem is null) return null;
        return new Refusal(problem.Contains("store fails", StringComparison.Ordinal) ? RefusalKind.Unavailable : RefusalKind.Refused, problem);
    }

    private sealed class Waiter : IStickyWaiter
    {
        private readonly TaskCompletionSource<StickyAnswer> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<StickyAnswer> Answer => _source.Task;

        public void Complete(ulong ticket, in StickyAnswer answer) => _source.TrySetResult(answer);
    }
}
