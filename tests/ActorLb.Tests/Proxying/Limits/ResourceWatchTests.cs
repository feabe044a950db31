using ActorLb.Native;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Proxying.Limits;

/// <summary>Collects everything, several times.</summary>
[Collection(AloneCollection.Name)]
public sealed class ResourceWatchTests
{
    private static readonly MemoryState Plenty = new(8L << 30, 4L << 30);

    private readonly FakeTimeProvider _time = new();
    private readonly NodeServices _services = BareServices.Create();
    private MemoryState _memory = Plenty;

    private ResourceWatch Watch() => new(_services, [], () => _memory, _time, NullLogger.Instance);

    private async Task LookAsync(ResourceWatch watch, int seconds)
    {
        for (int i = 0; i < seconds; i++)
        {
            await watch.LookAsync();
            _time.Advance(ResourceWatch.Period);
        }
    }

    [Theory]
    [InlineData(256, 17, false, false)]
    [InlineData(256, 15, false, true)]
    [InlineData(256, 20, true, true)]
    [InlineData(256, 25, true, false)]
    [InlineData(65_536, 65, false, false)]
    [InlineData(65_536, 63, false, true)]
    public void IsShort_GoesByWhatIsLeft(long total, long left, bool before, bool expected) =>
        Assert.Equal(expected, ResourceWatch.IsShort(new MemoryState(total << 20, left << 20), before));

    [Fact]
    public async Task Memory_NearlyUsedUp_NewClientsAreRefusedUntilThereIsMore()
    {
        await using var watch = Watch();
        await watch.LookAsync();
        Assert.False(_services.Admission.MemoryShort);
        _memory = new MemoryState(256 << 20, 8 << 20);
        await watch.LookAsync();
        Assert.True(_services.Admission.MemoryShort);
        Assert.True(_services.SetupBudget.Tight);
        // What can be given back is, at once.
        Assert.Equal(1, watch.Returns);
        _memory = Plenty;
        await watch.LookAsync();
        Assert.False(_services.Admission.MemoryShort);
        Assert.False(_services.SetupBudget.Tight);
    }

    [Fact]
    public async Task Burst_Over_MemoryIsReturnedOnceItIsCalm()
    {
        await using var watch = Watch();
        await LookAsync(watch, 3);
        var ledger = new SetupLedger(_services.SetupBudget, _ => { }, () => { });
        var session = Large();
        ledger.Settle(session);
        await LookAsync(watch, 40);
        Assert.Equal(0, watch.Returns);
        ledger.Leave(session.Setup!);
        await LookAsync(watch, 5);
        Assert.Equal(0, watch.Returns);
        await LookAsync(watch, 3);
        Assert.Equal(1, watch.Returns);
        await LookAsync(watch, 60);
        Assert.Equal(1, watch.Returns);
    }

    [Fact]
    public async Task Bursts_OneAfterTheOther_AreReturnedAtMostEachHalfMinute()
    {
        await using var watch = Watch();
        var ledger = new SetupLedger(_services.SetupBudget, _ => { }, () => { });
        for (int i = 0; i < 6; i++)
        {
            // Over before the next look: its peak was seen all the same.
            var session = Large();
            ledger.Settle(session);
            ledger.Leave(session.Setup!);
            await LookAsync(watch, 10);
        }
        Assert.InRange(watch.Returns, 1, 2);
    }

    private static Session Large()
    {
        var session = new Session(null!) { Setup = new Setup() };
        session.Setup.Inbound.Replace(new BufferPool(), new byte[40 << 20], 40 << 20);
        return session;
    }
}
