using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>The sticky map remembers whom a broker has accepted.</summary>
public sealed class StickyEntryTests
{
    [Theory]
    [InlineData(4, 5)]
    [InlineData(5, 0x87)]
    [InlineData(4, 3)]
    [InlineData(5, 0x88)]
    public async Task Client_ThatIsRefused_LeavesNoEntry(int version, byte code)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Answering(code));
        await using var other = FakeBroker.Start(FakeBroker.Answering(code));
        await using var node = await StartAsync(broker, other);
        for (int i = 0; i < 10; i++)
            Assert.Equal(FakeBroker.ConnackBytes(code, version), await node.AskAsync(ConnectBytes.Of(version, $"stranger-{i}")));
        Assert.Equal(0, node.Node.Sticky.Count);
    }

    [Fact]
    public async Task Client_ThatNobodyAnswers_LeavesNoEntry()
    {
        await using var broker = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var other = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await StartAsync(broker, other);
        using (var client = await node.DialAsync())
        {
            await client.SendAsync(ConnectBytes.V311("a"));
            await (await other.NextConnectionAsync()).WaitForReceivedAsync(1);
            Assert.Equal(1, node.Node.Sticky.Count);
            client.Abort();
        }

        await node.UntilClosedAsync(CloseReason.ClientGone);
        Assert.Equal(0, node.Node.Sticky.Count);
    }

    [Fact]
    public async Task Client_ThatWasAccepted_IsRememberedThoughAStrangerOfItsNameIsRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StartAsync(broker, other);
        using (await node.OpenAsync("a"))
            Assert.Equal(1, node.Node.Sticky.Count);
        broker.Script = other.Script = FakeBroker.Answering(5);
        Assert.Equal(FakeBroker.ConnackBytes(5), await node.AskAsync(ConnectBytes.V311("a")));
        Assert.Equal(1, node.Node.Sticky.Count);
        Assert.Equal((2, 0), (broker.Accepted, other.Accepted));
    }

    private static Task<TestNode> StartAsync(params FakeBroker[] brokers) =>
        TestNode.StartAsync("balance = sticky, place = round-robin\n" + TestNode.Backends(brokers));
}
