using ActorLb.Fleet.Spread;
using ActorLb.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Fleet.Spread;

public sealed class ClosingCountsTests
{
    private static readonly long Drain = ClosingCounts.IdOf("drain/p/b:1", 5);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void IdOf_IsPinned_AndOfEachOrder()
    {
        Assert.Equal(ClosingCounts.IdOf("drain/p/b:1", 5), Drain);
        Assert.NotEqual(ClosingCounts.IdOf("drain/p/b:1", 6), Drain);
        Assert.NotEqual(ClosingCounts.IdOf("drain/p/b:2", 5), Drain);
    }

    /// <summary>Counts of a dead node are kept, and nodes that join later learn them from the others.</summary>
    [Fact]
    public void Of_AllNodes_TheDeadIncluded_AndWhoJoinsLaterKnows()
    {
        ClosingCounts one = Node(), two = Node();
        one.Add(Drain, 10);
        two.Merge(one.ToReports());
        one.Add(Drain, 5);
        two.Add(Drain, 3);
        two.Merge(one.ToReports());
        two.Merge(one.ToReports());
        Assert.Equal(18, two.Of(Drain));
        _time.Advance(TimeSpan.FromHours(1));
        var later = Node();
        later.Merge(two.ToReports());
        Assert.Equal(18, later.Of(Drain));
    }

    [Fact]
    public void SetActive_WithoutTheOrder_ItIsToldNoMoreAndForgottenAfterAMinute()
    {
        ClosingCounts one = Node(), two = Node();
        one.Add(Drain, 10);
        two.Merge(one.ToReports());
        two.SetActive([]);
        Assert.Empty(two.ToReports());
        Assert.Equal(10, two.Of(Drain));
        _time.Advance(TimeSpan.FromSeconds(61));
        two.SetActive([]);
        Assert.Equal(0, two.Of(Drain));
    }

    [Fact]
    public void Merge_IsBounded()
    {
        var node = Node();
        for (int i = 0; i < 3; i++) node.Merge([.. Enumerable.Range(0, 1000).Select(p => new ClosedReport(Drain, (i * 1000) + p, 1))]);
        Assert.Equal(ClosingCounts.MaxReports, node.Of(Drain));
    }

    private ClosingCounts Node()
    {
        var node = new ClosingCounts(_time);
        node.SetActive([Drain]);
        return node;
    }
}
