using System.Globalization;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet;
using ActorLb.Fleet.Membership;
using ActorLb.Fleet.Spread;
using ActorLb.Protocol.Admin;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;
using ClusterMember = ActorLb.Protocol.Admin.ClusterMember;
using ClusterMembers = ActorLb.Protocol.Admin.ClusterMembers;

namespace ActorLb.Operations;

/// <summary>
/// Operators' commands in a fleet. A change of a backend applies on this node at once, and on the others as soon as a majority
/// has it. While this node is detached the change applies here, marked as local, and the fleet receives it when the node rejoins.
/// </summary>
internal sealed class FleetOperations(LocalMember member, StickyOptions options, Func<bool> isDraining, TimeProvider time) : IOperatorCommands
{
    /// <summary>For answers that another node gives from memory; after that a <see cref="TimeoutException"/> is thrown.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly Task<Refusal?> Granted = Task.FromResult<Refusal?>(null);

    private FleetStanding Standing => member.Host.Standing;

    private string Self => member.Settings.Node;

    private string State => isDraining() ? "draining" : Standing.Stage switch
    {
        FleetStage.Member => "up",
        FleetStage.Starting => "joining",
        FleetStage.Leaving or FleetStage.Stopped => "leaving",
        _ => "detached",
    };

    public Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, TimeSpan? deadline, CancellationToken cancel)
    {
        // The file's down = on can't be overridden.
        if (state == AdminState.Up && backend.Options.Down)
        {
            return Task.FromResult<Refusal?>(new Refusal(
                RefusalKind.Refused, $"backend {backend.Id} of pool {pool.Name} is down in this node's file (down = on): change it there and reload"));
        }
        return ChangeAsync(pool, backend, (r, stamp) => r with { State = state, Deadline = DeadlineOf(deadline, stamp), Pacing = null }, cancel);
    }

    public Task<Refusal?> DrainAtPaceAsync(Pool pool, Backend backend, double rate, TimeSpan? deadline, CancellationToken cancel)
    {
        if (FleetRefusals.NobodyElse(pool, backend) is { } refusal) return Task.FromResult<Refusal?>(refusal);
        return ChangeAsync(
            pool, backend,
            (r, stamp) => r with
            {
                State = AdminState.Drain,
                Deadline = DeadlineOf(deadline, stamp),
                Pacing = new PacedDrain(rate, IsPaused: false, r.Pacing?.Ordered ?? stamp),
            },
            cancel);
    }

    public Task<Refusal?> SetDrainPausedAsync(Pool pool, Backend backend, bool paused, CancellationToken cancel)
    {
        if (FleetRefusals.NoPacing(pool, backend) is { } refusal) return Task.FromResult<Refusal?>(refusal);
        var left = backend.DrainLeft;
        return ChangeAsync(pool, backend, Change, cancel);

        // A pause keeps the remaining time; the deadline counts from it when resumed.
        BackendRecord Change(BackendRecord record, long stamp) => record.Pacing is not { } pacing || pacing.IsPaused == paused ? record : record with
        {
            Pacing = pacing with { IsPaused = paused },
            Deadline = record.Deadline is null ? null : paused ? DeadlineOf(left, stamp) : record.Deadline.Value with { Ordered = stamp },
        };
    }

    /// <summary>At least one second, because 0 means no deadline.</summary>
    private static DrainDeadline? DeadlineOf(TimeSpan? deadline, long stamp) =>
        deadline is { } after ? new DrainDeadline((uint)Math.Max(1, Math.Ceiling(after.TotalSeconds)), stamp) : null;

    public Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel) =>
        ChangeAsync(pool, backend, (r, _) => r with { Weight = weight }, cancel);

    public Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel) =>
        ChangeAsync(pool, backend, (r, _) => r.WithNextGeneration(), cancel);

    public async Task<StickyFinding> FindAsync(string pool, string clientId, CancellationToken cancel)
    {
        ulong h = member.KeyOf(pool, clientId);
        var waiter = new Waiter();
        if (!member.Map.GetOrAssign(h, default, waiter, 0, out var answer)) answer = await waiter.Answer.WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        int shard = member.Map.Context.ShardOf(h);
        return new StickyFinding(answer.Backend, shard, OwnerOf(shard), answer.Outcome);
    }

    public async Task<Refusal?> ImposeAsync(string pool, string clientId, BackendRef backend, CancellationToken cancel)
    {
        if (backend.IsNone)
        {
            var before = await FindAsync(pool, clientId, cancel).ConfigureAwait(false);
            if (before is { Backend.IsNone: true, Outcome: not StickyOutcome.Fallback }) return FleetRefusals.NoEntry;
        }
        ulong h = member.KeyOf(pool, clientId);
        var waiter = new Waiter();
        if (!member.Map.Impose(h, backend, waiter, 0, out var answer)) answer = await waiter.Answer.WaitAsync(Patience, time, cancel).ConfigureAwait(false);
        int shard = member.Map.Context.ShardOf(h);
        if (answer.Outcome == StickyOutcome.Fallback) return FleetRefusals.OwnerSilent(OwnerOf(shard), shard);
        return answer.Backend == backend ? null : FleetRefusals.TakesNobody;
    }

    public Task<StickyStats> StickyStatsAsync(string[] stickyPools, CancellationToken cancel)
    {
        var map = member.Map.Measure();
        return Task.FromResult(new StickyStats(
            Self, map.Entries - map.CopiedEntries, map.Bytes, map.Evicted, options.MaxEntries, options.Ttl.TotalSeconds, stickyPools));
    }

    public Task<ClusterMembers> MembersAsync(CancellationToken cancel)
    {
        if (Standing.Members is not { } members)
        {
            return Task.FromResult(new ClusterMembers(
                member.Settings.Cluster, [new ClusterMember(Self, null, member.Settings.Zone, State, Self: true, Coordinator: false, Owned(Self), null)]));
        }
        return Task.FromResult(new ClusterMembers(
            member.Settings.Cluster,
            [
                .. members.All.Select(m => new ClusterMember(
                    m.Id.Name, $"{m.Address.Host}:{m.Address.Port}", m.Zone,
                    m.Id == members.Self ? State : m.IsLeaving ? "leaving" : m.IsReachable ? "up" : "unreachable", m.Id == members.Self,
                    m.Id.Name == member.Coordinator, Owned(m.Id.Name), m.Id.Incarnation.ToString("x8", CultureInfo.InvariantCulture))),
            ]));
    }

    public Task<ClusterStatus> StatusAsync(CancellationToken cancel)
    {
        var standing = Standing;
        var map = member.Map.Measure();
        return Task.FromResult(new ClusterStatus(
            member.Settings.Cluster, Self, "akka", member.Coordinator, standing.Members?.All.Length ?? 0,
            standing.Members?.All.Count(m => !m.IsReachable) ?? 0, member.Settings.Shards, map.Owned, Moving(), State,
            standing.Reason.Length > 0 ? standing.Reason : null));
    }

    public Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel)
    {
        if (Missing(node) is { } missing) return Task.FromResult<Refusal?>(missing);
        if (Standing.Members is not { } members || member.Host.System is not { } system)
        {
            return Task.FromResult<Refusal?>(new Refusal(RefusalKind.Refused, $"{Self} is not in a fleet at present: {Standing.Reason}"));
        }
        system.Cluster.Leave(members.All.First(m => m.Id.Name == (node ?? Self)).Address);
        return Granted;
    }

    public Task<Refusal?> DownAsync(string node, CancellationToken cancel)
    {
        if (Missing(node) is { } missing) return Task.FromResult<Refusal?>(missing);
        if (Standing.Members is not { } members || member.Host.System is not { } system)
        {
            return Task.FromResult<Refusal?>(new Refusal(RefusalKind.Refused, $"{Self} is not in a fleet at present: {Standing.Reason}"));
        }
        system.Cluster.Down(members.All.First(m => m.Id.Name == node).Address);
        return Granted;
    }

    public Task<ShardRegions> RegionsAsync(CancellationToken cancel)
    {
        ShardAnnouncement[] shards = [.. member.Map.Directory.Shards.OfType<ShardAnnouncement>()];
        var map = member.Map.Measure();
        IEnumerable<(string Name, string? Address)> nodes = Standing.Members is { } members
            ? members.All.Select(m => (m.Id.Name, (string?)$"{m.Address.Host}:{m.Address.Port}"))
            : [(Self, null)];
        return Task.FromResult(new ShardRegions([.. nodes.Select(n => new ShardRegionInfo(
            n.Name, n.Address, shards.Count(s => s.Owner.Name == n.Name), shards.Count(s => s.Replica?.Name == n.Name),
            shards.Count(s => s.Next?.Name == n.Name), n.Name == Self ? map.Entries - map.CopiedEntries : null))]));
    }

    public Task<ShardList?> ShardsAsync(string? node, CancellationToken cancel)
    {
        if (Missing(node) is not null) return Task.FromResult<ShardList?>(null);
        var directory = member.Map.Directory;
        var all = Enumerable.Range(0, member.Settings.Shards).Select(i => directory[i] is { } seats
            ? new ShardInfo(i, seats.Owner.Name, seats.Replica?.Name, seats.Next?.Name, EntriesOf(i, seats), ShardEpoch.Number(seats.Epoch))
            : new ShardInfo(i, null, null, null, null, 0));
        return Task.FromResult<ShardList?>(new ShardList([.. all.Where(s => node is null || s.Owner == node || s.Replica == node || s.Next == node)]));
    }

    public Task<ShardingStats> ShardingAsync(CancellationToken cancel)
    {
        var map = member.Map.Measure();
        int[] own = [.. Enumerable.Range(0, member.Settings.Shards).Where(i => member.Map.Shards[i].Serves).Select(CountOf).DefaultIfEmpty(0)];
        return Task.FromResult(new ShardingStats(
            Self, member.Settings.Shards, map.Owned, map.Copies, Moving(), map.Entries - map.CopiedEntries, own.Min(), own.Max()));
    }

    /// <summary>
    /// Shards move automatically whenever they are uneven, so there is nothing to trigger, only something to report.
    /// </summary>
    public Task<(Refusal? Refusal, int Moving)> RebalanceAsync(CancellationToken cancel) => Task.FromResult<(Refusal?, int)>(
        Standing.Members is null ? (new Refusal(RefusalKind.Unavailable, $"{Self} is not in a fleet at present: {Standing.Reason}"), 0) : (null, Moving()));

    private async Task<Refusal?> ChangeAsync(
        Pool pool, Backend backend, Func<BackendRecord, long, BackendRecord> change, CancellationToken cancel)
    {
        var outcome = await member.Spread.ChangeAsync(new BackendKey(pool.Name, backend.Id), change).WaitAsync(cancel).ConfigureAwait(false);
        // A change that the fleet has not confirmed yet still applies here, and is shown as local.
        return outcome.IsKnown ? null : new Refusal(RefusalKind.Unknown, $"backend {backend.Id} of pool {pool.Name} is not known to the fleet yet; try again");
    }

    private Refusal? Missing(string? node)
    {
        if (node is null || node == Self || Standing.Members?.All.Any(m => m.Id.Name == node) == true) return null;
        return FleetRefusals.NoNode(node, Standing.Members?.All.Select(m => m.Id.Name) ?? [Self]);
    }

    private int Owned(string node) => member.Map.Directory.Shards.Count(s => s?.Owner.Name == node);

    private int Moving() => member.Map.Directory.Shards.Count(s => s?.Next is not null);

    private string? OwnerOf(int shard) => member.Map.Directory[shard]?.Owner.Name;

    private int? EntriesOf(int shard, ShardAnnouncement seats) => seats.Owner.Name == Self || seats.Replica?.Name == Self ? CountOf(shard) : null;

    private int CountOf(int shard) => member.Map.CountOf(shard);

    private sealed class Waiter : IStickyWaiter
    {
        private readonly TaskCompletionSource<StickyAnswer> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<StickyAnswer> Answer => _source.Task;

        public void Complete(ulong ticket, in StickyAnswer answer) => _source.TrySetResult(answer);
    }
}
