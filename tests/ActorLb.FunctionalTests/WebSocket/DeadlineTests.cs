using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>From its accept to its CONNECT a client has <c>connect-timeout</c>, whatever it has sent of its upgrade.</summary>
public sealed class DeadlineTests : IAsyncLifetime
{
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private TestNode _node = null!;

    // Long enough for a busy machine to bring the request in time.
    public async ValueTask InitializeAsync() =>
        _node = await TestNode.StartAsync(TestNode.Backends(_broker), WebSocketBytes.Listener + "connect-timeout = 1s");

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
    }

    [Fact]
    public async Task Upgrade_HalfSent_IsClosedByTheTimeForTheConnect()
    {
        using var client = await _node.DialAsync();
        await client.SendAsync(WebSocketBytes.Upgrade.AsMemory(..^2));
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await TimedOutAsync();
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("a ping")]
    [InlineData("half a frame")]
    [InlineData("half a CONNECT")]
    public async Task Upgrade_WithoutAConnectBehindIt_IsClosedByTheTimeForTheConnect(string behind)
    {
        byte[] connect = ConnectBytes.V311("a");
        byte[] more = behind switch
        {
            "a ping" => [0x89, 0x80, 1, 2, 3, 4],
            "half a frame" => WebSocketBytes.Binary(connect)[..^1],
            "half a CONNECT" => WebSocketBytes.Binary(connect.AsSpan(..^1)),
            _ => [],
        };
        using var client = await _node.DialAsync();
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. more]);
        var (head, _) = WebSocketBytes.Split((await client.ReadToEndAsync()).Bytes);
        Assert.StartsWith("HTTP/1.1 101 ", head, StringComparison.Ordinal);
        await TimedOutAsync();
    }

    private async Task TimedOutAsync()
    {
        await _node.UntilClosedAsync(CloseReason.ConnectTimeout);
        Assert.Equal(0, _broker.Accepted);
    }
}
