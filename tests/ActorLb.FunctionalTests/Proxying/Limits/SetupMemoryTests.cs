using System.Text;
using ActorLb.FunctionalTests.Tls;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Limits;

/// <summary>What clients hold until their CONNACK is bounded for all of them together, and is given back.</summary>
public sealed class SetupMemoryTests : IDisposable
{
    private const string Small = "node.setup-memory = 4MiB";
    private const int Limit = 4 << 20;
    private const string Busy5 = "2003008900", Busy311 = "20020003";

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    /// <summary>A valid CONNECT of about this many bytes; with less than a will's 65,535 bytes MQTT 3.1.1 can have it, too.</summary>
    private static byte[] Large(int size, int version = 5)
    {
        if (version == 4) return [0x10, .. ConnectBytes.Length(size), .. ConnectBytes.Text("MQTT"), 4, 2, 0, 60, .. new byte[size - 10]];
        List<byte> properties = [];
        for (int left = size; left > 0; left -= 60_000) properties.AddRange([0x26, .. ConnectBytes.Text("a"), .. ConnectBytes.Text(new string('v', Math.Min(left, 60_000)))]);
        return ConnectBytes.V5("large", properties: [.. properties]);
    }

    [Theory]
    [InlineData(5, Busy5)]
    [InlineData(4, Busy311)]
    public async Task Connects_ThatLackTheLastByte_TheOldestOfTheLargestMakeRoom(int version, string refusal)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "connect-timeout = 100s", Small);
        using var patient = await node.DialAsync();
        await patient.SendAsync(ConnectBytes.V5("patient").AsMemory()[..^1]);
        byte[] most = Large(900_000, version)[..^1];
        var clients = new List<RawClient>();
        for (int i = 0; i < 12; i++)
        {
            clients.Add(await node.DialAsync());
            await clients[i].SendAsync(most);
            // All of it is read before the next one comes: in turns with others the oldest may not be the first to be large.
            string own = clients[i].Socket.LocalEndPoint!.ToString()!;
            await node.UntilAsync(() => node.Node.Reactors.SelectMany(r => r.Sessions).Any(
                s => s.Setup?.Inbound.Length == most.Length && s.Remote.ToString() == own));
        }
        // Four of a mebibyte each do not fit, with what a session is.
        for (int i = 0; i < 9; i++) Assert.Equal(refusal, Convert.ToHexString((await clients[i].ReadToEndAsync()).Bytes));
        await node.UntilClosedAsync(CloseReason.SetupMemory, 9);
        await node.UntilAsync(() => node.Node.SetupBudget.Held is > 1 << 20 and <= Limit);
        await node.Log.LineAsync(l => l.Text.Contains("node.setup-memory is used up", StringComparison.Ordinal));

        // Who holds little notices nothing, whether he was there before or comes now.
        using var other = await node.OpenAsync("other", version: 5);
        await patient.SendAsync(ConnectBytes.V5("patient").AsMemory()[^1..]);
        Assert.Equal(FakeBroker.ConnackBytes(0, 5), await patient.ReadAsync(5));
        clients.ForEach(c => c.Dispose());
        await node.UntilAsync(() => node.Node.SetupBudget.Held == 0);
    }

    /// <summary>Every step on the way to the CONNACK holds something, and each gives all of it back.</summary>
    [Theory]
    [InlineData("nothing")]
    [InlineData("connect")]
    [InlineData("behind")]
    [InlineData("rewritten")]
    [InlineData("upgrade")]
    [InlineData("frames")]
    [InlineData("hello")]
    [InlineData("proxied")]
    public async Task Phase_WhateverItHolds_CountsAndIsGivenBack(string phase)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        string listener = phase switch
        {
            "upgrade" or "frames" => WebSocketBytes.Listener,
            "hello" => TlsListener.With(_ca.Server(["localhost"])),
            "rewritten" => $"rewrite.username = \"{new string('u', 60_000)}\"",
            "proxied" => "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }",
            _ => "",
        };
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener + "\nconnect-timeout = 100s");
        byte[] sent = phase switch
        {
            "nothing" or "proxied" => [],
            "connect" => Large(200_000)[..^1],
            "behind" or "rewritten" => ConnectBytes.V5("a"),
            "upgrade" => WebSocketBytes.Upgrade[..^1],
            "frames" => [.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(Large(50_000)[..40_000])],
            _ => TlsListener.EndlessHello.ToArray(),
        };
        long least = phase switch
        {
            "connect" => 200_000,
            "behind" => 50_000,
            "rewritten" => 120_000,
            "frames" => 40_000,
            "hello" => SetupLedger.TlsUnderWay,
            _ => 0,
        };
        using var client = await node.DialAsync();
        await client.SendAsync(sent);
        if (phase == "behind")
        {
            await broker.NextConnectionAsync();
            await client.SendAsync(new byte[50_000]);
        }
        await node.UntilAsync(() => node.Node.SetupBudget.Held >= least + SetupLedger.Bare, () => $"{node.Node.SetupBudget.Held} bytes are held.");
        client.Abort();
        await node.UntilAsync(() => node.Node.SetupBudget.Held == 0, () => $"{node.Node.SetupBudget.Held} bytes are held.");
    }

    [Fact]
    public async Task Connack_EndsWhatCounts()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(Large(300_000));
        Assert.Equal(FakeBroker.ConnackBytes(0, 5), await client.ReadAsync(5));
        await node.UntilAsync(() => node.Node.SetupBudget.Held == 0);
    }

    /// <summary>They hold as much while they wait for a broker that keeps silent.</summary>
    [Fact]
    public async Task Connects_ThatWaitForTheirConnack_MakeRoomToo()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "", Small);
        using var first = await node.DialAsync();
        await first.SendAsync(Large(900_000));
        await node.UntilAsync(() => node.Node.SetupBudget.Held > 2 << 20);
        using var second = await node.DialAsync();
        await second.SendAsync(Large(900_000));
        using var third = await node.DialAsync();
        await third.SendAsync(Large(900_000));
        Assert.Equal(Busy5, Convert.ToHexString((await first.ReadToEndAsync()).Bytes));
        await node.UntilAsync(() => node.Node.SetupBudget.Held <= Limit);
        // Its broker is not to blame.
        Assert.Equal(0, node.Backend(broker).Failures);
    }

    [Fact]
    public async Task Hellos_ThatGoNoFurther_AreBounded()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"]), "max-handshakes = 4096, handshake-timeout = 100s") + "connect-timeout = 100s", Small);
        var clients = new List<RawClient>();
        for (int i = 0; i < 120; i++)
        {
            clients.Add(await node.DialAsync());
            await clients[i].SendAsync(TlsListener.EndlessHello);
        }
        await node.UntilAsync(() => node.Closed(CloseReason.SetupMemory) > 30);
        await node.UntilAsync(() => node.Node.SetupBudget.Held <= Limit);
        // The oldest went.
        Assert.Empty((await clients[0].ReadToEndAsync()).Bytes);
        clients.ForEach(c => c.Dispose());
        await node.UntilAsync(() => node.Node.SetupBudget.Held == 0);
    }

    [Fact]
    public async Task Upgrade_ThatMakesRoom_GetsItsAnswer()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener + "connect-timeout = 100s", Small);
        var clients = new List<RawClient>();
        // Heads are short: it takes many of them.
        for (int i = 0; i < 1600; i++)
        {
            clients.Add(await node.DialAsync());
            await clients[i].SendAsync(WebSocketBytes.Upgrade.AsMemory()[..^1]);
        }
        await node.UntilAsync(() => node.Closed(CloseReason.SetupMemory) > 0);
        string answer = Encoding.ASCII.GetString((await clients[0].ReadToEndAsync()).Bytes);
        Assert.StartsWith("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        clients.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task Memory_Short_NewClientsAreToldThatTheNodeIsBusy()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var before = await node.OpenAsync("before");
        node.Node.Admission.MemoryShort = true;
        Assert.Equal(Busy5, Convert.ToHexString(await node.AskAsync(ConnectBytes.V5("a"))));
        Assert.Equal(Busy311, Convert.ToHexString(await node.AskAsync(ConnectBytes.V311("a"))));
        await before.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await before.ReadAsync(4));
    }

    [Fact]
    public async Task Limit_LoweredByAReload_HoldsAtOnce()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        string pool = TestNode.Backends(broker), listener = "connect-timeout = 100s";
        await using var node = await TestNode.StartAsync(pool, listener, "node.setup-memory = 64MiB");
        var clients = new List<RawClient>();
        for (int i = 0; i < 10; i++)
        {
            clients.Add(await node.DialAsync());
            await clients[i].SendAsync(Large(900_000)[..^1]);
        }
        await node.UntilAsync(() => node.Node.SetupBudget.Held > 10 << 20);
        await node.ReloadAsync(TestNode.Text(pool, listener, Small));
        await node.UntilAsync(() => node.Node.SetupBudget.Held <= Limit);
        clients.ForEach(c => c.Dispose());
    }
}
