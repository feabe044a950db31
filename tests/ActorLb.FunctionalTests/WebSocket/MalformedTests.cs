using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>Requests and frames that break the protocol, through a node: the right status or close code, and no broker sees them.</summary>
public sealed class MalformedTests : IAsyncLifetime
{
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private TestNode _node = null!;

    public static TheoryData<string> Upgrades => [.. MalformedUpgrades.All.Select(u => u.Name)];

    public static TheoryData<string> FrameNames => [.. MalformedFrames.All.Select(f => f.Name)];

    /// <summary>Each in one piece, and with its header cut behind the first byte.</summary>
    public static TheoryData<string, bool> FrameNamesAndCuts
    {
        get
        {
            var rows = new TheoryData<string, bool>();
            foreach (var frame in MalformedFrames.All)
            {
                rows.Add(frame.Name, false);
                rows.Add(frame.Name, true);
            }

            return rows;
        }
    }

    public async ValueTask InitializeAsync() => _node = await TestNode.StartAsync(TestNode.Backends(_broker), WebSocketBytes.Listener);

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Upgrades))]
    public async Task Upgrade_Malformed_GetsItsStatus(string name)
    {
        var upgrade = MalformedUpgrades.All.Single(u => u.Name == name);
        byte[] answer = await _node.AskAsync(upgrade.Bytes);

        var (head, rest) = WebSocketBytes.Split(answer);
        Assert.StartsWith($"HTTP/1.1 {UpgradeErrors.StatusOf(upgrade.Expected)} ", head, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", head, StringComparison.Ordinal);
        Assert.Empty(rest);
        await _node.UntilClosedAsync(CloseReason.BadUpgrade);
        Assert.Equal(0, _broker.Accepted);
        await _node.Log.LineAsync(l => l.Text.EndsWith("upgrade refused: " + upgrade.Expected.Text(), StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(FrameNames))]
    public async Task Frame_MalformedBeforeConnect_ReachesNoBroker(string name)
    {
        var frame = MalformedFrames.All.Single(f => f.Name == name);
        byte[] answer = await _node.AskAsync([.. WebSocketBytes.Upgrade, .. frame.Bytes]);

        var (head, rest) = WebSocketBytes.Split(answer);
        Assert.StartsWith("HTTP/1.1 101 ", head, StringComparison.Ordinal);
        // Where good frames come first, what they hold is no CONNECT and may be found first.
        await _node.UntilAsync(() => _node.Closed(CloseReason.BadFrame) + _node.Closed(CloseReason.BadConnect) == 1);
        if (_node.Closed(CloseReason.BadFrame) == 1)
            Assert.Equal(FrameErrors.CloseCodeFor(frame.Expected), WebSocketBytes.CloseCode(rest));
        Assert.Equal(0, _broker.Accepted);
    }

    [Theory]
    [MemberData(nameof(FrameNamesAndCuts))]
    public async Task Frame_MalformedWithinASession_ClosesItWithItsCodeAndReachesNoBroker(string name, bool cut)
    {
        var frame = MalformedFrames.All.Single(f => f.Name == name);
        using var client = await _node.DialAsync();
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        var broker = await _broker.NextConnectionAsync();
        await broker.WaitForReceivedAsync(ConnectBytes.V311("a").Length);
        await _node.UntilAsync(() => _node.Sum(c => Volatile.Read(ref c.Relaying)) == 1);
        // A packet that is not whole: it may go on for as long as any of the frames below.
        byte[] publish = [0x30, 0xFF, 0xFF, 0x7F, 0, 1, (byte)'t'];
        byte[] frames = [.. WebSocketBytes.Binary(publish), .. frame.Bytes];
        int first = cut ? frames.Length - frame.Bytes.Length + frame.Good.Length + 1 : frames.Length;
        await client.SendAsync(frames.AsMemory(0, first));
        await _node.UntilAsync(() => _node.Sum(c => Volatile.Read(ref c.BytesFromClients)) >= ConnectBytes.V311("a").Length + first);
        await client.SendAsync(frames.AsMemory(first));

        var (_, rest) = WebSocketBytes.Split((await client.ReadToEndAsync()).Bytes);
        Assert.Equal(FrameErrors.CloseCodeFor(frame.Expected), WebSocketBytes.CloseCode(rest));
        await broker.Ended;
        byte[] allowed = [.. ConnectBytes.V311("a"), .. publish, .. frame.Good.Payload];
        Assert.Equal(allowed.Take(broker.Received.Length), broker.Received);
        client.Dispose();
        await _node.UntilClosedAsync(CloseReason.BadFrame);
    }
}
