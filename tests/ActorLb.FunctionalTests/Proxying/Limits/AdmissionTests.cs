using System.Net;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Limits;

public sealed class AdmissionTests
{
    public static TheoryData<string, string, int, int, string> Limits => new()
    {
        // listener, node, code of 3.x, code of 5, reason
        { "", "node.max-connections = 2", 3, 0x89, nameof(CloseReason.NodeFull) },
        { "max-connections = 2", "", 3, 0x89, nameof(CloseReason.ListenerFull) },
        { "limits.per-address = 2", "", 3, 0x89, nameof(CloseReason.AddressFull) },
        { "limits.per-address.rate = 2", "", 3, 0x9F, nameof(CloseReason.AddressRate) },
        { "limits.connects-per-second = 2", "", 3, 0x9F, nameof(CloseReason.ConnectRate) },
    };

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task Client_OverALimit_GetsItsCode(string listener, string more, int old, int five, string reason)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener, more);
        using var first = await node.OpenAsync("first");
        using var second = await node.OpenAsync("second");
        Assert.Equal(FakeBroker.ConnackBytes((byte)old), await node.AskAsync(ConnectBytes.V311("third")));
        Assert.Equal(FakeBroker.ConnackBytes((byte)five, 5), await node.AskAsync(ConnectBytes.V5("fourth")));
        await node.UntilClosedAsync(Enum.Parse<CloseReason>(reason), 2);
        Assert.Equal(2, broker.Accepted);
    }

    [Theory]
    [InlineData("max-connections = 1", "")]
    [InlineData("limits.per-address = 1", "")]
    [InlineData("", "node.max-connections = 1")]
    public async Task Connections_OneLeaves_ItsPlaceIsFreeAgain(string listener, string more)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener, more);
        for (int i = 0; i < 5; i++)
        {
            using (await node.OpenAsync("one"))
            {
            }

            await node.UntilAsync(() => node.Node.Admission.Active == 0);
        }
    }

    [Fact]
    public async Task PerAddress_OtherAddress_HasItsOwnShare()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "limits.per-address { connections = 1, rate = 100 }");
        using var first = await node.OpenAsync("first", from: IPAddress.Parse("127.0.0.2"));
        using var second = await node.OpenAsync("second", from: IPAddress.Parse("127.0.0.3"));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("third"), IPAddress.Parse("127.0.0.3")));
    }

    [Fact]
    public async Task Rate_TimePasses_ClientsComeInAgain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "limits.connects-per-second = 20");
        int refused = 0, accepted = 0;
        // On a busy machine the first 25 may come more slowly than the rate: then some more are needed for one to be refused.
        for (int tries = 0; (accepted < 25 || refused == 0) && tries < 1000; tries++)
        {
            int answer = await AnswerAsync(node, ConnectBytes.V5($"c{accepted}"));
            if (answer == 0)
                accepted++;
            else if (answer == 0x9F)
                refused++;
            else
                Assert.Fail($"answer {answer:x2}");
        }

        // Twenty at once, the others as the rate allows: meanwhile some were refused.
        Assert.NotEqual(0, refused);
        Assert.Equal(accepted, broker.Accepted);
    }

    [Theory]
    [InlineData("deny = [\"127.0.0.2/32\"]")]
    [InlineData("allow = [\"127.0.0.0/8\"], deny = [\"127.0.0.0/30\"]")]
    [InlineData("allow = [\"127.0.0.128/25\", \"10.0.0.0/8\"]")]
    public async Task Networks_ClientThatIsNotWanted_IsClosedAtOnce(string listener)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener);
        var unwanted = IPAddress.Parse("127.0.0.2");
        using (var silent = await node.DialAsync(unwanted))
            Assert.Empty((await silent.ReadToEndAsync()).Bytes);
        using (var client = await node.DialAsync(unwanted))
            Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.Banned, 2);
        Assert.Equal(0, broker.Accepted);
        using var wanted = await node.OpenAsync("y", from: IPAddress.Parse("127.0.0.130"));
    }

    private static async Task<int> AnswerAsync(TestNode node, byte[] connect)
    {
        using var client = await node.DialAsync();
        await client.SendAsync(connect);
        return (await client.ReadAsync(5))[3];
    }
}
