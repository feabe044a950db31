using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Balancing;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Proxying.Routing;

public sealed class RetryTests
{
    private const string Quick = "connect-timeout = 200ms\n";

    public static TheoryData<string> Failures => ["close", "reset", "reset on data", "silence", "no broker", "no MQTT", "half a CONNACK"];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Backend_FailsBeforeTheConnack_NextGetsTheSameConnect(string failure)
    {
        await using var bad = FakeBroker.Start(Script(failure));
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        var badAddress = bad.EndPoint;
        if (failure == "no broker")
            await bad.DisposeAsync();
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{badAddress}\", \"{good.EndPoint}\"]\n" + Quick);
        using var client = await node.DialAsync();
        byte[] connect = ConnectBytes.Of(5, "same", user: "ann", password: "secret", properties: [0x11, 0, 0, 1, 0]);
        await client.SendAsync(connect);
        Assert.Equal(FakeBroker.ConnackBytes(0, 5), await client.ReadAsync(5));
        Assert.Equal(connect, await (await good.NextConnectionAsync()).WaitForReceivedAsync(connect.Length));
        Assert.Equal(1, node.Sum(c => c.Retries));
        Assert.Equal(1, node.Node.Pools.Single().Pool.Snapshot.Backends[0].Failures);
        Assert.Equal(0, node.Node.Pools.Single().Pool.Snapshot.Backends[0].Active);
        await node.Log.OnlyLineAsync(l => l.Text.StartsWith($"backend {badAddress} of pool p", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "no CONNACK")]
    [InlineData("proxy-protocol = v1", "no CONNACK")]
    [InlineData("tls.verify = off", "no TLS handshake")]
    [InlineData("websocket { path = \"/mqtt\" }", "no answer to the upgrade")]
    public async Task Backend_KeepsSilent_IsLoggedWithTheStepThatItOwes(string pool, string owed)
    {
        await using var silent = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(Quick + $"retry.tries = 1\n{pool}\n" + TestNode.Backends(silent));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("nobody")));
        Assert.Equal(
            (LogLevel.Warning, $"backend {silent.EndPoint} of pool p: {owed} within 0.2 s"),
            await node.Log.OnlyLineAsync(l => l.Text.StartsWith("backend ", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("proxy-protocol = v1")]
    [InlineData("websocket { path = \"/mqtt\" }")]
    [InlineData("proxy-protocol = v2\nwebsocket { path = \"/mqtt\" }")]
    public async Task Backend_ResetsAtOnce_EachTimeCountsInTheLog(string pool)
    {
        // Whether its reset comes before the connect, the first bytes or their answer is a race; none of the ways is silent.
        const int Clients = 60;
        await using var bad = FakeBroker.Start(FakeBroker.ResetAtOnce);
        var node = await TestNode.StartAsync($"retry.tries = 1\n{pool}\n" + TestNode.Backends(bad));
        await using (node)
        {
            for (int i = 0; i < Clients; i++)
                Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("nobody")));
        }

        int first = node.Log.Lines.Count(l => l.Text.StartsWith($"backend {bad.EndPoint} of pool p", StringComparison.Ordinal));
        var more = node.Log.Lines.Select(l => l.Text).Where(l => l.StartsWith($"backend {bad.EndPoint}: ", StringComparison.Ordinal));
        Assert.Equal(Clients, first + more.Sum(l => int.Parse(l.Split(": ")[1].Split(' ')[0], CultureInfo.InvariantCulture)));
    }

    [Theory]
    [InlineData(3, 3)]
    [InlineData(4, 3)]
    [InlineData(5, 0x88)]
    [InlineData(5, 0x89)]
    [InlineData(5, 0x97)]
    [InlineData(5, 0x9C)]
    [InlineData(5, 0x9F)]
    public async Task Backend_RefusesForReasonsOfItsOwn_NextGetsTheSameConnect(int version, int code)
    {
        await using var busy = FakeBroker.Start(FakeBroker.Answering((byte)code));
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(busy, good));
        using var client = await node.DialAsync();
        byte[] connect = ConnectBytes.Of(version, "same");
        byte[] early = ConnectBytes.Publish("t", "early"u8);
        await client.SendAsync(connect.Concat(early).ToArray());
        Assert.Equal(FakeBroker.ConnackBytes(0, version), await client.ReadAsync(version == 5 ? 5 : 4));
        var connection = await good.NextConnectionAsync();
        Assert.Equal(connect.Concat(early), await connection.WaitForReceivedAsync(connect.Length + early.Length));
        Assert.Equal(connect, (await busy.NextConnectionAsync()).Received);
        // It lives and says so: no failure.
        Assert.Equal(0, node.Backend(busy).Failures);
    }

    [Theory]
    [InlineData(3, 2)]
    [InlineData(3, 4)]
    [InlineData(4, 4)]
    [InlineData(4, 5)]
    [InlineData(5, 0x84)]
    [InlineData(5, 0x85)]
    [InlineData(5, 0x86)]
    [InlineData(5, 0x87)]
    [InlineData(5, 0x8A)]
    [InlineData(5, 0x8C)]
    [InlineData(5, 0x9D)]
    public async Task Backend_RefusesTheClient_IsPassedOnAndNeverRetried(int version, int code)
    {
        await using var strict = FakeBroker.Start(FakeBroker.Answering((byte)code));
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(strict, other));
        Assert.Equal(FakeBroker.ConnackBytes((byte)code, version), await node.AskAsync(ConnectBytes.Of(version, "who")));
        await node.UntilClosedAsync(CloseReason.BackendRefused);
        Assert.Equal(0, other.Accepted);
        Assert.Equal(0, node.Backend(strict).Failures);
    }

    [Fact]
    public async Task Backend_RefusesWithProperties_TheWholeConnackReachesTheClient()
    {
        byte[] properties = [0x1F, .. ConnectBytes.Text("not today"), 0x26, .. ConnectBytes.Text("k"), .. ConnectBytes.Text("v")];
        byte[] refusal = [0x20, (byte)(3 + properties.Length), 0, 0x87, (byte)properties.Length, .. properties];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(refusal.AsMemory(0, 9), stop);
            await Task.Yield();
            await connection.SendAsync(refusal.AsMemory(9), stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        Assert.Equal(refusal, await node.AskAsync(ConnectBytes.V5("who")));
    }

    [Theory]
    [InlineData(4, "20020003")]
    [InlineData(5, "2003008800")]
    public async Task AllBackends_Fail_ClientIsRefusedAfterTheConfiguredTries(int version, string answer)
    {
        var brokers = Enumerable.Range(0, 5).Select(_ => FakeBroker.Start(FakeBroker.CloseAtOnce)).ToArray();
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers) + "retry { tries = 3, timeout = 10s }");
        Assert.Equal(answer, Convert.ToHexString(await node.AskAsync(ConnectBytes.Of(version, "nobody"))));
        Assert.Equal(2, node.Sum(c => c.Retries));
        await node.UntilClosedAsync(CloseReason.BackendsFailed);
        foreach (var broker in brokers)
            await broker.DisposeAsync();
        Assert.Equal(3, brokers.Sum(b => b.Accepted));
    }

    [Fact]
    public async Task AllBackends_AreSilent_ClientIsRefusedWhenTheTimeIsOver()
    {
        var brokers = Enumerable.Range(0, 5).Select(_ => FakeBroker.Start(FakeBroker.Silent)).ToArray();
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers) + Quick + "retry { tries = 16, timeout = 300ms }");
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("nobody")));
        Assert.Equal(1, node.Sum(c => c.Retries));
        foreach (var broker in brokers)
            await broker.DisposeAsync();
        Assert.Equal(2, brokers.Sum(b => b.Accepted));
    }

    [Fact]
    public async Task AllBackends_CloseOnOneClient_NoneIsTakenOut()
    {
        FakeBrokerScript choosy = async (connection, stop) =>
        {
            if ((await connection.ReadPacketAsync(stop)).AsSpan().IndexOf("poison"u8) >= 0)
                return;
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await FakeBroker.Echo(connection, stop);
        };
        await using var first = FakeBroker.Start(choosy);
        await using var second = FakeBroker.Start(choosy);
        await using var node = await TestNode.StartAsync(TestNode.Backends(first, second));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("poison")));
        using var client = await node.OpenAsync("plain");
        Assert.Equal((0, 0), (node.Backend(first).Failures, node.Backend(second).Failures));
    }

    [Fact]
    public async Task OnlyOneTry_BackendCloses_CountsAsFailedAtOnce()
    {
        await using var first = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var second = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync("retry.tries = 1\n" + TestNode.Backends(first, second));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("x")));
        Assert.Equal(1, node.Backend(first).Failures);
    }

    [Fact]
    public async Task Backend_RefusesAHugeConnectBeforeItHasItAll_ClientGetsTheRefusal()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadSomeAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0x95, 5), stop);
        });
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker, other), "max-packet-size = 32MiB");
        byte[] property = [0x26, .. ConnectBytes.Text("k"), .. ConnectBytes.Text(new string('v', 60_000))];
        byte[] connect = ConnectBytes.V5("huge", properties: [.. Enumerable.Repeat(property, 400).SelectMany(p => p)]);
        Assert.Equal(FakeBroker.ConnackBytes(0x95, 5), await node.AskAsync(connect));
        Assert.Equal((0, 0), (node.Backend(broker).Failures, other.Accepted));
    }

    [Fact]
    public async Task AllBackends_RefuseForReasonsOfTheirOwn_ClientGetsTheLastRefusal()
    {
        byte[] refusal = [0x20, 8, 0, 0x9C, 5, 0x1C, 0, 2, (byte)'b', (byte)'2'];
        await using var busy = FakeBroker.Start(FakeBroker.Answering(0x9F));
        await using var moved = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(refusal, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(busy, moved));
        Assert.Equal(refusal, await node.AskAsync(ConnectBytes.V5("who")));
        await node.UntilClosedAsync(CloseReason.BackendRefused);
    }

    [Fact]
    public async Task Backend_TakesNoConnection_NextIsDialledWithinTheTimeForRetries()
    {
        using var gone = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var queued = await FillAsync(gone);
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{gone.LocalEndPoint}\", \"{good.EndPoint}\"], connect-timeout = 4s, retry {{ tries = 3, timeout = 4s }}");
        using var client = await node.OpenAsync("patient");
        Assert.Equal(1, node.Sum(c => c.Retries));
        // A third of the time would be less than a dial is given.
        await node.Log.LineAsync(l => l == (LogLevel.Warning, $"backend {gone.LocalEndPoint} of pool p: no connection within 1.5 s"));
    }

    [Fact]
    public async Task Backend_TakesTheConnectionLate_GetsTheConnect()
    {
        using var late = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var queued = await FillAsync(late);
        await using var node = await TestNode.StartAsync($"backends = [\"{late.LocalEndPoint}\"]");
        using var client = await node.DialAsync();
        byte[] connect = ConnectBytes.V311("patient");
        await client.SendAsync(connect);
        await node.UntilAsync(() => node.Node.Reactors[0].Sessions.Any(s => s.Phase == Phase.Dialing));
        // There is room now, and the kernel sends its SYN again.
        using var first = await late.AcceptAsync();
        using var broker = await late.AcceptAsync();
        byte[] bytes = new byte[connect.Length];
        await broker.ReceiveAsync(bytes);
        Assert.Equal(connect, bytes);
        await broker.SendAsync(FakeBroker.ConnackBytes(0));
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        Assert.Equal(0, node.Sum(c => c.Retries));
    }

    /// <summary>Has the socket listen and fills its backlog: the kernel drops SYNs then, as a host that is gone does.</summary>
    private static async Task<Socket> FillAsync(Socket listener)
    {
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        var queued = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await queued.ConnectAsync(listener.LocalEndPoint!);
        return queued;
    }

    private static FakeBrokerScript Script(string failure) => failure switch
    {
        "close" => FakeBroker.CloseAtOnce,
        "reset" => FakeBroker.ResetAtOnce,
        "reset on data" => FakeBroker.ResetOnData,
        "silence" or "no broker" => FakeBroker.Silent,
        "no MQTT" => async (connection, stop) =>
        {
            await connection.ReadSomeAsync(stop);
            await connection.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), stop);
        }
        ,
        "half a CONNACK" => async (connection, stop) =>
        {
            await connection.ReadSomeAsync(stop);
            await connection.SendAsync(new byte[] { 0x20, 3, 0 }, stop);
        }
        ,
        _ => throw new ArgumentOutOfRangeException(nameof(failure)),
    };
}
