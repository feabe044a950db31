using System.Net.NetworkInformation;
using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Tests.Cluster.Transport;

public sealed class HttpPeerTransportTests
{
    [Fact]
    public async Task Connect_BothSides_AreUpAndFramesGoBothWays()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var ab = a.Connect(b);
        Assert.False(ab.Send(PeerNode.Frame(0), PeerLane.Calls));
        Assert.Equal("up b", await a.EventAsync());
        Assert.Equal("up a", await b.EventAsync());
        Assert.True(ab.IsUp);
        Assert.Equal(b.Self.Id, ab.Peer);
        // b has not dialled, but may answer over what a dialled; the link of a peer that came by itself is the one it gets by asking.
        var ba = b.Connect(a);
        Assert.True(ba.IsUp);
        Assert.True(ba.Send(PeerNode.Frame(1, 10), PeerLane.Calls));
        Assert.True(ab.Send(PeerNode.Frame(2, 3), PeerLane.Calls));
        Assert.Equal(PeerNode.Frame(1, 10), await a.FrameAsync());
        Assert.Equal(PeerNode.Frame(2, 3), await b.FrameAsync());
        Assert.Same(ab, a.Connect(b));
    }

    [Fact]
    public async Task Send_ManyFramesOfAllSizes_ArriveWholeAndInOrder()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var link = a.Connect(b);
        await a.EventAsync();
        var random = new Random(5);
        for (uint i = 0; i < 2_000; i++)
        {
            var frame = PeerNode.Frame(i, random.Next(0, 3_000));
            while (!link.Send(frame, PeerLane.Calls))
            {
                await Task.Yield();
            }
        }

        random = new Random(5);
        for (uint i = 0; i < 2_000; i++)
        {
            Assert.Equal(PeerNode.Frame(i, random.Next(0, 3_000)), await b.FrameAsync());
        }
    }

    [Fact]
    public async Task Send_OnTheBulkLane_UsesATcpConnectionOfItsOwn()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var link = a.Connect(b);
        await a.EventAsync();
        var largest = PeerNode.Frame(9, PeerFrameHeader.MaxFrame - PeerFrameHeader.Size);
        while (!link.Send(largest, PeerLane.Bulk))
        {
            await Task.Yield();
        }

        Assert.Equal(largest, await b.FrameAsync());
        var port = b.Transport.Port;
        var streams = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpConnections()
            .Count(c => c.LocalEndPoint.Port == port && c.State == TcpState.Established);
        Assert.Equal(2, streams);
    }

    [Fact]
    public async Task Send_ToAPeerThatDoesNotRead_FailsAtTheLimitAtOnce()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        using var hold = new ManualResetEventSlim();
        b.OnFrameAction = (_, _) => hold.Wait(PeerNode.Patience);
        var link = a.Connect(b);
        await a.EventAsync();
        var frame = PeerNode.Frame(1, 1000);
        // The limit, and what sockets and windows take.
        var sent = 0;
        while (link.Send(frame, PeerLane.Calls))
        {
            Assert.True(++sent < 200_000);
            if (sent % 100 == 0)
            {
                await Task.Yield();
            }
        }

        Assert.True((sent + 1) * frame.Length >= 1 << 20);
        Assert.True(link.IsUp);
        b.OnFrameAction = (_, _) => { };
        hold.Set();
        while (!link.Send(frame, PeerLane.Calls))
        {
            await Task.Yield();
        }
    }

    [Fact]
    public async Task Peer_Stops_TheLinkGoesDownAndComesUpAgainWithItsReturn()
    {
        await using var a = await PeerNode.StartAsync("a");
        var port = PeerNode.FreePort();
        IPeerLink link;
        await using (var b = await PeerNode.StartAsync("b", port: port))
        {
            link = a.Connect(b);
            Assert.Equal("up b", await a.EventAsync());
        }

        Assert.StartsWith("down b: ", await a.EventAsync(), StringComparison.Ordinal);
        Assert.False(link.IsUp);
        Assert.False(link.Send(PeerNode.Frame(1), PeerLane.Calls));
        await using var again = await PeerNode.StartAsync("b", port: port);
        Assert.Equal("up b", await a.EventAsync());
        Assert.True(link.Send(PeerNode.Frame(2), PeerLane.Calls));
        Assert.Equal(PeerNode.Frame(2), await again.FrameAsync());
    }

    [Fact]
    public async Task Peer_ComesBackAsAnotherRun_IsAnotherLink()
    {
        await using var a = await PeerNode.StartAsync("a");
        var port = PeerNode.FreePort();
        IPeerLink old;
        await using (var b = await PeerNode.StartAsync("b", incarnation: 1, port: port))
        {
            old = a.Connect(b);
            await a.EventAsync();
        }

        await a.EventAsync();
        await using var again = await PeerNode.StartAsync("b", incarnation: 2, port: port);
        Assert.Contains("is looked for", await a.LoggedAsync("b/0000000000000002 answers"), StringComparison.Ordinal);
        Assert.False(old.IsUp);
        var link = a.Connect(again);
        Assert.NotSame(old, link);
        Assert.Equal("up b", await a.EventAsync());
        Assert.True(link.IsUp);
        a.Transport.Drop(old.Peer);
        Assert.True(link.IsUp);
    }

    [Fact]
    public async Task Drop_ClosesTheConnectionsForGood()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var link = a.Connect(b);
        await a.EventAsync();
        await b.EventAsync();
        a.Transport.Drop(b.Self.Id);
        Assert.Equal("down b: dropped", await a.EventAsync());
        Assert.StartsWith("down a: ", await b.EventAsync(), StringComparison.Ordinal);
        Assert.False(link.IsUp);
        Assert.False(link.Send(PeerNode.Frame(1), PeerLane.Calls));
        var anew = a.Connect(b);
        Assert.NotSame(link, anew);
        Assert.Equal("up b", await a.EventAsync());
    }

    [Fact]
    public async Task Drop_FromWithinAFrame_DoesNotNestCalls()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var dropped = new TaskCompletionSource();
        a.OnFrameAction = (link, _) =>
        {
            a.Transport.Drop(link.Peer);
            dropped.TrySetResult();
        };
        a.Connect(b);
        await b.EventAsync();
        Assert.Equal("up b", await a.EventAsync());
        b.Connect(a).Send(PeerNode.Frame(1), PeerLane.Calls);
        await dropped.Task.WaitAsync(PeerNode.Patience);
        // The peer dials too, so that it may come up once more before.
        string told;
        do
        {
            told = await a.EventAsync();
        }
        while (told == "up b");
        Assert.Equal("down b: dropped", told);
    }

    [Fact]
    public async Task HandlerThatThrows_EndsTheConnectionAlone_AndItComesAgain()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        b.OnFrameAction = (_, _) => throw new InvalidOperationException("a bug");
        var link = a.Connect(b);
        await a.EventAsync();
        await b.EventAsync();
        Assert.True(link.Send(PeerNode.Frame(1), PeerLane.Calls));
        Assert.Contains("a bug", await b.EventAsync(), StringComparison.Ordinal);
        Assert.StartsWith("down b: ", await a.EventAsync(), StringComparison.Ordinal);
        Assert.Equal("up b", await a.EventAsync());
    }

    [Fact]
    public async Task BothDial_AtOnce_FramesGoBothWaysInOrder()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var ab = a.Connect(b);
        var ba = b.Connect(a);
        Assert.Equal("up b", await a.EventAsync());
        Assert.Equal("up a", await b.EventAsync());
        for (uint i = 0; i < 100; i++)
        {
            Assert.True(ab.Send(PeerNode.Frame(i), PeerLane.Calls));
            Assert.True(ba.Send(PeerNode.Frame(i), PeerLane.Calls));
        }

        for (uint i = 0; i < 100; i++)
        {
            Assert.Equal(PeerNode.Frame(i), await a.FrameAsync());
            Assert.Equal(PeerNode.Frame(i), await b.FrameAsync());
        }
    }

    [Fact]
    public async Task IsReachable_TellsANodeFromAnEmptyPort()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        Assert.True(await a.Transport.IsReachableAsync(b.Self.Address, TimeSpan.FromSeconds(5), default));
        Assert.False(await a.Transport.IsReachableAsync($"127.0.0.1:{PeerNode.FreePort()}", TimeSpan.FromSeconds(5), default));
        // A stopped process: the kernel takes the connection, nobody answers.
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        Assert.False(await a.Transport.IsReachableAsync($"{silent.LocalEndpoint}", TimeSpan.FromMilliseconds(300), default));
    }

    [Theory]
    [InlineData("no address, is it?")]
    [InlineData("")]
    [InlineData("[::1")]
    [InlineData("127.0.0.1:99999")]
    [InlineData("127.0.0.1:1/elsewhere?x=1#y@z")]
    public async Task Connect_AddressThatIsNone_IsToldAndTriedAgainWithTheNextOne(string address)
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        Assert.False(await a.Transport.IsReachableAsync(address, TimeSpan.FromSeconds(5), default));
        var link = a.Transport.Connect(new PeerEndpoint(b.Self.Id, address));
        await a.LoggedAsync("Peer b at");
        Assert.Same(link, a.Connect(b));
        Assert.Equal("up b", await a.EventAsync());
    }

    [Fact]
    public async Task Start_PortTaken_Throws()
    {
        await using var a = await PeerNode.StartAsync("a");
        var error = await Assert.ThrowsAsync<IOException>(() => PeerNode.StartAsync("b", port: a.Transport.Port));
        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
    }
}
