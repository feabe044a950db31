using ActorLb.Balancing;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Dashboard;
using ActorLb.Testing;
using ActorLb.Tests.Admin;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Dashboard;

public sealed class NodeHistoryTests
{
    [Fact]
    public async Task Samples_AreKeptFor15Minutes_AndADrainKnowsWhatItBeganWith()
    {
        await using var admin = await AdminNode.StartAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var history = new NodeHistory(admin.Node, time, NullLogger.Instance);
        Assert.Empty(history.Read().Connections);
        using var first = await admin.ConnectAsync("c1");
        using var second = await admin.ConnectAsync("c2");
        time.Advance(NodeHistory.Step);
        var read = history.Read();
        Assert.Equal([2], read.Connections);
        // As after a time in which the process was stopped.
        history.Look();
        Assert.Single(history.Read().Connections);
        Assert.Equal(2, read.Backends.Where(b => b.Pool == "emqx").Sum(b => b.Connections[0]));
        var taken = admin.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Backends.ToArray().First(b => b.Active > 0);
        Assert.Equal((1L, null), (history.Recent()[taken].Answers, history.Recent()[taken].DrainedFrom));

        taken.SetAdminState(AdminState.Drain);
        int before = taken.Active;
        first.Dispose();
        second.Dispose();
        await Wait.UntilAsync(() => taken.Active == 0 && admin.Node.Admission.Active == 0);
        time.Advance(NodeHistory.Step);
        Assert.Equal(before, history.Recent()[taken].DrainedFrom);

        for (int i = 0; i < NodeHistory.Length + 10; i++) time.Advance(NodeHistory.Step);
        read = history.Read();
        Assert.Equal(NodeHistory.Length, read.Connections.Length);
        Assert.All(read.Connections, c => Assert.Equal(0, c));
        // What it answered is longer than a minute ago; nobody remembers the drain's beginning.
        Assert.Equal((0L, null), (history.Recent()[taken].Answers, history.Recent()[taken].DrainedFrom));
    }
}
