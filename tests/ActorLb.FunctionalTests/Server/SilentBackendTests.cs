using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Server;

public sealed class SilentBackendTests
{
    /// <summary>With the defaults there is time for a second backend.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Connect_FirstBackendTakesItAndKeepsSilent_TheNextAnswers()
    {
        await using var silent = FakeBroker.Start(FakeBroker.Silent);
        await using var accepting = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(silent, accepting));
        using var client = await RawClient.ConnectAsync(node.Of("mqtt"));
        await client.SendAsync(ConnectBytes.V311("patient"));
        Assert.Equal(FakeBroker.ConnackBytes(0, 4), await client.ReadAsync(4));
        await node.UntilAsync(() => (silent.Accepted, accepting.Accepted) == (1, 1));
        await node.Log.LineAsync(l => l == (LogLevel.Warning, $"backend {silent.EndPoint} of pool p: no CONNACK within 10 s"));
    }
}
