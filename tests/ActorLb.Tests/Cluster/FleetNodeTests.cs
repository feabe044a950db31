using ActorLb.Cluster.InProcess;
using ActorLb.Fleet;
using ActorLb.Sticky;
using ActorLb.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Cluster;

public sealed class FleetNodeTests : IAsyncLifetime
{
    private static readonly WantedBackend A = new("emqx", "a:1883", "a:1883");
    private static readonly WantedBackend B = new("emqx", "b:1883", "b:1883");
    private readonly InProcessStore _store = new(TimeProvider.System);
    private readonly BackendSlots _slots = new();
    private readonly FleetNode _node;
    private readonly FleetOperations _operations;

    public FleetNodeTests()
    {
        var options = new FleetOptions(
            "test", "lb-1", "127.0.0.1:1", null, 1, TimeSpan.FromSeconds(5), TimeSpan.FromHours(1), 1_000_000, new byte[16],
            KeepHashKey: true, IsAlone: true);
        _node = new FleetNode(options, _store, null, _slots, TimeProvider.System, NullLoggerFactory.Instance);
        _operations = new FleetOperations(_node);
    }

    public async ValueTask InitializeAsync()
    {
        await _node.StartAsync([A, B], CancellationToken.None);
        await _node.FirstTable.WaitAsync(TimeSpan.FromSeconds(10));
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Alone_OwnsEverything_AnswersAtOnce()
    {
        var a = Reference(A);
        var b = Reference(B);
        Assert.NotEqual(a, b);
        var h = _node.Map.Hash("emqx"u8, "c1"u8);

        Assert.True(_node.Map.GetOrAssign(h, [a, b], null!, 0, out var first));
        Assert.Equal(new StickyAnswer(a, StickyOutcome.Local, true), first);
        Assert.True(_node.Map.GetOrAssign(h, [b], null!, 0, out var second));
        Assert.Equal(new StickyAnswer(a, StickyOutcome.Local, false), second);
        Assert.True(_node.Map.Reassign(h, a, [a, b], null!, 0, out var third));
        Assert.Equal(new StickyAnswer(b, StickyOutcome.Local, true), third);

        var status = await _node.GetStatusAsync();
        Assert.Equal((StickyHash.Shards, 0, 1L), (status.Shards.Owned, status.Shards.Copies, status.Shards.Entries));
        Assert.True(status is { IsRegistered: true, IsCoordinator: true, IsStoreUp: true, LiveNodes: 1 });
        Assert.Equal("lb-1", Assert.Single(status.Members).Name);
        Assert.All(await _node.GetShardsAsync(), s => Assert.Equal("lb-1", s.Owner));
    }

    [Fact]
    public async Task Operator_ChangesState_HoldsForTheMap()
    {
        var (a, b) = (Reference(A), Reference(B));
        var h = _node.Map.Hash("emqx"u8, "c2"u8);
        _node.Map.GetOrAssign(h, [a], null!, 0, out _);
        await Stored(A);

        Assert.Null(await _operations.SetStateAsync("emqx", A.Id, SlotState.Down));
        await Until(() => _slots.StateOf(a) == SlotState.Down);
        Assert.True(_node.Map.GetOrAssign(h, [a, b], null!, 0, out var moved));
        Assert.Equal(b, moved.Backend);

        Assert.Null(await _operations.SetStateAsync("emqx", A.Id, SlotState.Up));
        Assert.Null(await _operations.FlushAsync("emqx", B.Id) ?? await _operations.SetWeightAsync("emqx", A.Id, 7) );
        await Until(() => Reference(B).Gen == 2 && _node.Backends.Single(x => x.Id == A.Id).Weight == 7);
        Assert.True(_node.Map.GetOrAssign(h, [a], null!, 0, out var again));
        Assert.Equal(a, again.Backend);
        Assert.Contains("no backend", await _operations.FlushAsync("emqx", "c:1883"), StringComparison.Ordinal);
        Assert.Contains("no node", await _operations.DownAsync("lb-9"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Operator_SetsAndClearsAClient()
    {
        Assert.True((await _operations.GetStickyAsync("emqx", "c3")).Backend.IsNone);
        Assert.Equal(Reference(B), (await _operations.SetStickyAsync("emqx", "c3", Reference(B))).Backend);
        Assert.Equal(Reference(B), (await _operations.GetStickyAsync("emqx", "c3")).Backend);
        await _operations.ClearStickyAsync("emqx", "c3");
        Assert.True((await _operations.GetStickyAsync("emqx", "c3")).Backend.IsNone);
    }

    [Fact]
    public async Task Leave_Alone_EndsAsPlanned()
    {
        Assert.True(await _node.LeaveAsync(TimeSpan.FromSeconds(10)));
        Assert.True((await _node.Ended).IsPlanned);
    }

    [Fact]
    public async Task Lookups_OwnShard_AllocateNothing()
    {
        var proposals = new[] { Reference(A), Reference(B) };
        var random = new Random(5);
        var keys = Enumerable.Range(0, 1000).Select(_ => (ulong)random.NextInt64()).ToArray();
        Assert.Equal(0, Allocations.Least(() =>
        {
            foreach (var h in keys)
            {
                _node.Map.GetOrAssign(h, proposals, null!, 0, out _);
            }
        }));
        await Task.CompletedTask;
    }

    private BackendRef Reference(WantedBackend backend) => _node.Backends.Single(b => b.Id == backend.Id).Reference;

    /// <summary>Until the store has the backend's record, an operator cannot change it.</summary>
    private async Task Stored(WantedBackend backend) => await Until(async () =>
        (await _store.RangeAsync("backends/emqx/" + backend.Id, CancellationToken.None)).Value.Entries.Length == 1
        && await _operations.SetWeightAsync("emqx", backend.Id, null) is null);

    private static Task Until(Func<bool> condition) => Until(() => Task.FromResult(condition()));

    private static async Task Until(Func<Task<bool>> condition)
    {
        for (var i = 0; i < 500; i++)
        {
            if (await condition())
            {
                return;
            }

            await Task.Delay(10);
        }

        Assert.Fail("it did not come to pass");
    }
}
