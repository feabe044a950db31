using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet.Spread;

namespace ActorLb.Operations;

/// <summary>The rebalances ordered by operators, at most one for each pool, the same on all nodes. Thread-safe.</summary>
/// <param name="orders">The orders of the fleet, or of a node by itself.</param>
internal sealed class Rebalances(Func<FleetOrders> orders)
{
    private static readonly TimeSpan ShownDone = TimeSpan.FromHours(1);

    /// <summary>All rebalances, including finished ones.</summary>
    public ImmutableArray<RebalanceOrder> All => orders().Read(RebalanceOrder.Prefix, RebalanceOrder.TryDecode);

    public RebalanceOrder? Find(string pool) => orders().Get(RebalanceOrder.Prefix + pool) is { } order ? RebalanceOrder.TryDecode(order) : null;

    /// <summary>The rebalance to show for a pool: finished ones for an hour.</summary>
    public RebalanceOrder? Shown(string pool, DateTimeOffset now) =>
        orders().Get(RebalanceOrder.Prefix + pool) is { } kept && RebalanceOrder.TryDecode(kept) is { } order
        && (order.State != RebalanceState.Done || now.ToUnixTimeMilliseconds() - kept.Stamp <= ShownDone.TotalMilliseconds) ? order : null;

    /// <summary>Starts a rebalance; one in progress continues at the new rate.</summary>
    /// <param name="rate">Sessions per second, in the whole fleet.</param>
    public async Task<Refusal?> BeginAsync(Pool pool, double rate)
    {
        if (Problem(pool) is { } problem) return new Refusal(RefusalKind.Refused, problem);
        return await ChangeAsync(pool, (old, stamp) => new RebalanceOrder(
            pool.Name, rate, RebalanceState.Running, old is { State: not RebalanceState.Done } ? old.Ordered : stamp)).ConfigureAwait(false);
    }

    public async Task<Refusal?> SetPausedAsync(Pool pool, bool paused) => Nothing(pool) ?? await ChangeAsync(
        pool, (old, _) => old is null or { State: RebalanceState.Done } ? old : old with { State = paused ? RebalanceState.Paused : RebalanceState.Running }).ConfigureAwait(false);

    public async Task<Refusal?> StopAsync(Pool pool) => Nothing(pool) ?? await ChangeAsync(pool, (_, _) => null).ConfigureAwait(false);

    /// <summary>
    /// Marks a rebalance as finished. Every node that finds nothing left to do writes this, with the same result.
    /// </summary>
    public Task FinishAsync(RebalanceOrder done, int closed, int left) => orders().ChangeAsync(done.Name, (value, _) =>
        Decode(done.Pool, value) is { State: RebalanceState.Running } old && old.Ordered == done.Ordered
            ? (old with { State = RebalanceState.Done, Closed = closed, Left = left }).Encode() : value);

    private static RebalanceOrder? Decode(string pool, ReadOnlyMemory<byte> value) =>
        RebalanceOrder.TryDecode(new FleetOrder(RebalanceOrder.Prefix + pool, value, 0, IsLocal: false));

    private static string? Problem(Pool pool)
    {
        var kind = pool.Options.Balance;
        if (kind is BalanceKind.Hash or BalanceKind.IpHash)
        {
            string name = ConfigurationNames.NameOf(ConfigurationNames.Balance, kind);
            return $"pool {pool.Name} has balance = {name}: a closed client returns to the same backend, so a rebalance would move nothing";
        }
        return RebalancePlan.Of(pool.Snapshot).IsPossible ? null : $"pool {pool.Name} has fewer than two backends that take new clients, so there is nothing to rebalance";
    }

    private Refusal? Nothing(Pool pool) => Find(pool.Name) is { State: not RebalanceState.Done } ? null
        : new Refusal(RefusalKind.Refused, $"pool {pool.Name} is not being rebalanced");

    private async Task<Refusal?> ChangeAsync(Pool pool, Func<RebalanceOrder?, long, RebalanceOrder?> change)
    {
        var outcome = await orders().ChangeAsync(
            RebalanceOrder.Prefix + pool.Name, (value, stamp) => change(Decode(pool.Name, value), stamp)?.Encode() ?? []).ConfigureAwait(false);
        // A change that the fleet has not confirmed yet still applies here.
        return outcome.Refused is { } refused ? new Refusal(RefusalKind.Refused, refused) : null;
    }
}
