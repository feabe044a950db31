using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet.Spread;
using ActorLb.Operations;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Operations;

public sealed class RebalancesTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly CollectedLog _log = new();
    private readonly FleetOrders _orders;
    private readonly Rebalances _rebalances;
    private readonly Pool _pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1);

    public RebalancesTests()
    {
        _orders = FleetOrders.InFolder(_folder.Path, _time, _log);
        _rebalances = new Rebalances(() => _orders);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Begin_Again_ChangesTheRateAndIsTheSame_UntilItIsDone()
    {
        Assert.Null(await _rebalances.BeginAsync(_pool, 50));
        var first = _rebalances.Find("emqx")!;
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await _rebalances.SetPausedAsync(_pool, paused: true));
        Assert.Equal(first with { State = RebalanceState.Paused }, _rebalances.Find("emqx"));
        Assert.Null(await _rebalances.BeginAsync(_pool, 70));
        Assert.Equal(first with { Rate = 70 }, _rebalances.Find("emqx"));

        await _rebalances.FinishAsync(first, 12, 3);
        var done = _rebalances.Find("emqx")!;
        Assert.Equal(first with { Rate = 70, State = RebalanceState.Done, Closed = 12, Left = 3 }, done);
        // Another node reports the same a moment later.
        await _rebalances.FinishAsync(first, 13, 2);
        Assert.Equal(done, _rebalances.Find("emqx"));
        Assert.NotNull(await _rebalances.StopAsync(_pool));
        Assert.Equal(done, _rebalances.Shown("emqx", _time.GetUtcNow() + TimeSpan.FromMinutes(59)));
        Assert.Null(_rebalances.Shown("emqx", _time.GetUtcNow() + TimeSpan.FromMinutes(61)));

        Assert.Null(await _rebalances.BeginAsync(_pool, 50));
        Assert.NotEqual(first.Id, _rebalances.Find("emqx")!.Id);
        // A report about an earlier rebalance doesn't finish this one.
        await _rebalances.FinishAsync(first, 12, 3);
        Assert.Equal(RebalanceState.Running, _rebalances.Find("emqx")!.State);
        Assert.Null(await _rebalances.StopAsync(_pool));
        Assert.Null(_rebalances.Find("emqx"));
    }

    [Theory]
    [InlineData(BalanceKind.Hash, "balance = hash")]
    [InlineData(BalanceKind.IpHash, "balance = ip-hash")]
    public async Task Begin_OfAPoolWhoseClientsComeBack_IsRefusedWithTheReason(BalanceKind balance, string reason)
    {
        var refusal = await _rebalances.BeginAsync(Pools.OfWeights(balance, 1, 1), 50);
        Assert.Contains(reason, refusal!.Reason, StringComparison.Ordinal);
        Assert.Null(_rebalances.Find("emqx"));
    }

    [Fact]
    public async Task All_WithAnOrderThatCannotBeRead_LeavesItOutAndSaysSo()
    {
        await _orders.SetAsync("rebalance/other", new byte[] { 1, 9 });
        await _rebalances.BeginAsync(_pool, 50);
        Assert.Equal(["emqx"], _rebalances.All.Select(o => o.Pool));
        Assert.Single(_log.Lines, l => l.Text.Contains("rebalance/other", StringComparison.Ordinal));
    }

    /// <summary>Frozen: shared by nodes of two releases and stored across restarts.</summary>
    [Fact]
    public void Encode_IsPinned_AndReadByLaterReleases()
    {
        var order = new RebalanceOrder("p", 12.5, RebalanceState.Paused, 0x0102030405060708, 3, 4);
        Assert.Equal("0102D430000008070605040302010300000004000000", Convert.ToHexString(order.Encode()));
        Assert.Equal(order, RebalanceOrder.TryDecode(new FleetOrder("rebalance/p", new byte[] { 1, 2, 0xD4, 0x30, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 3, 0, 0, 0, 4, 0, 0, 0, 99 }, 1, false)));
        byte[] bytes = order.Encode();
        for (int cut = 0; cut < bytes.Length; cut++) Assert.Null(RebalanceOrder.TryDecode(new FleetOrder("rebalance/p", bytes.AsMemory(0, cut), 1, false)));
    }
}
