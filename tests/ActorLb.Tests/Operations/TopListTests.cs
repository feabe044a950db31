using ActorLb.Operations;
using ActorLb.Protocol.Admin;

namespace ActorLb.Tests.Operations;

public sealed class TopListTests
{
    [Fact]
    public void Largest_OfMany_AreKept_TheLargestFirst()
    {
        var top = new TopList<int>(3);
        foreach (int value in new[] { 5, 1, 9, 2, 7, 9, 3 }) top.Add(value, value);
        Assert.Equal([9, 9, 7], top.Items);
        Assert.False(top.Admits(7));
        Assert.True(top.Admits(8));
    }

    [Fact]
    public void Connects_OfOneClientOnSeveralNodes_AreAddedUp()
    {
        var top = TopBys.Sum(
            [new("a", 5, ["lb-1"], null), new("b", 7, ["lb-1"], null), new("a", 4, ["lb-2"], null), new("c", 1, ["lb-2"], null)], limit: 2);
        Assert.Equal([("a", 9L, "lb-1 lb-2"), ("b", 7L, "lb-1")], top.Select(t => (t.ClientId!, t.Value, string.Join(' ', t.Nodes))));
    }
}
