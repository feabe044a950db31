using ActorLb.Configuration;
using ActorLb.Proxying.Limits;
using ActorLb.Testing;

namespace ActorLb.Tests.Proxying.Limits;

public sealed class TakeoverDampingTests
{
    private static readonly DampingOptions Options = new(3, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5));

    private static TakeoverDamping Create(DampingOptions? options = null) => TakeoverDamping.Create(options ?? Options, null)!;

    [Fact]
    public void Takeovers_EnoughInTheTime_RefuseTheIdForTheDelay()
    {
        var damping = Create();
        Assert.False(damping.TakenOver(7, 0));
        Assert.False(damping.TakenOver(7, 4_000));
        Assert.False(damping.Refuses(7, 4_000));
        Assert.True(damping.TakenOver(7, 10_000));
        Assert.True(damping.Refuses(7, 10_000));
        Assert.True(damping.Refuses(7, 14_999));
        Assert.False(damping.Refuses(7, 15_000));
        Assert.False(damping.Refuses(8, 10_000));
        Assert.Equal((1, 2), (damping.Found, damping.Refused));
    }

    [Fact]
    public void Takeovers_SeldomOnes_RefuseNobody()
    {
        var damping = Create();
        for (int i = 0; i < 100; i++) Assert.False(damping.TakenOver(7, i * 6_000L));
        Assert.False(damping.Refuses(7, 600_000));
    }

    [Fact]
    public void Fight_GoesOn_EachTakeoverRefusesAgainAndIsReportedOnce()
    {
        var damping = Create();
        Assert.Equal([false, false, true], Enumerable.Range(0, 3).Select(_ => damping.TakenOver(7, 0)));
        Assert.False(damping.TakenOver(7, 5_000));
        Assert.True(damping.Refuses(7, 5_001));
        Assert.False(damping.TakenOver(7, 12_000));
        Assert.True(damping.Refuses(7, 12_001));
        Assert.Equal(3, damping.Found);
        // A pause: it begins anew.
        Assert.Equal([false, false, true], Enumerable.Range(0, 3).Select(_ => damping.TakenOver(7, 40_000)));
    }

    [Fact]
    public void Sessions_ThatEndWhileTheIdIsRefused_DoNotCount()
    {
        var damping = Create();
        for (int i = 0; i < 50; i++) damping.TakenOver(7, 100);
        Assert.Equal(1, damping.Found);
        Assert.False(damping.Refuses(7, 5_100));
    }

    [Fact]
    public void Table_FarMoreIdsThanPlaces_StaysBoundedAndKeepsWhoIsRefused()
    {
        var damping = Create();
        for (int i = 0; i < 3; i++) damping.TakenOver(42UL << 32, 0);
        var random = new Random(1);
        for (int i = 0; i < 100_000; i++)
        {
            ulong id = (ulong)random.NextInt64();
            Assert.False(damping.TakenOver(id, 1));
        }

        Assert.True(damping.Refuses(42UL << 32, 2));
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (ulong i = 1; i < 10_000; i++)
            {
                damping.TakenOver(i << 32, 20_000);
                damping.Refuses(i << 32, 20_000);
            }
        }));
    }

    [Fact]
    public void Create_SameOptions_ForgetsNothing()
    {
        var damping = Create();
        Assert.Same(damping, TakeoverDamping.Create(Options with { }, damping));
        Assert.NotSame(damping, TakeoverDamping.Create(Options with { Takeovers = 4 }, damping));
        Assert.Null(TakeoverDamping.Create(null, damping));
    }
}
