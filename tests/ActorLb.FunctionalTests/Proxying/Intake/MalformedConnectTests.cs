using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Tests.Mqtt;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Intake;

public sealed class MalformedConnectTests
{
    [Fact]
    public async Task Connect_EveryMalformedVariant_IsAnsweredAndClosedAndReachesNoBroker()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var wrong = new List<string>();
        foreach (var variant in MalformedConnects.All)
        {
            ConnectReader.Read(variant.Bytes, 1 << 20, out var connect, out _);
            byte[] expected = ConnectErrors.ConnackFor(variant.Expected, connect.Version).ToArray();
            byte[] answer = await node.AskAsync(variant.Bytes);
            if (!answer.SequenceEqual(expected))
                wrong.Add($"{variant.Name}: {Convert.ToHexString(answer)} instead of {Convert.ToHexString(expected)}");
        }

        Assert.Empty(wrong);
        Assert.True(MalformedConnects.All.Count >= 60);
        await node.UntilClosedAsync(CloseReason.BadConnect, MalformedConnects.All.Count);
        Assert.Equal(0, broker.Accepted);
    }

    [Theory]
    [InlineData(4, "")]
    [InlineData(5, "2003009500")]
    public async Task Connect_LargerThanMaxPacketSize_IsRefused(int version, string answer)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "max-packet-size = 1KiB");
        string fitting = new string('c', 1024 - ConnectBytes.Of(version, new string('c', 990)).Length + 990);
        Assert.Equal(1024, ConnectBytes.Of(version, fitting).Length);
        using var client = await node.OpenAsync(fitting, version);

        Assert.Equal(answer, Convert.ToHexString(await node.AskAsync(ConnectBytes.Of(version, fitting + "c"))));
        Assert.Equal(1, broker.Accepted);
    }

    [Fact]
    public async Task Connect_LongestClientId_IsPassedOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        string id = new string('i', 65_535);
        using var client = await node.OpenAsync(id);
        byte[] connect = ConnectBytes.V311(id);
        Assert.Equal(connect, await (await broker.NextConnectionAsync()).WaitForReceivedAsync(connect.Length));
    }
}
