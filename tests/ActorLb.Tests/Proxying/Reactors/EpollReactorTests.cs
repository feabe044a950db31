using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Testing;

namespace ActorLb.Tests.Proxying.Reactors;

public sealed class EpollReactorTests
{
    private static EpollReactor Create() => BareServices.ReactorOf(BareServices.Create());

    /// <summary>An idle reactor sleeps without a limit: a message whose wake-up were lost would never be answered.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task AskAsync_FromManyThreads_EveryMessageIsAnswered()
    {
        using var reactor = Create();
        reactor.Start();
        const int PerThread = 50_000;
        Task[] askers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < PerThread; i++) Assert.Equal(i, await reactor.AskAsync(_ => i));
        }))];
        await Task.WhenAll(askers).WaitAsync(Wait.Patience);
        reactor.Stop();
    }

    [Fact]
    public void Stop_NeverStarted_Returns()
    {
        using var reactor = Create();
        reactor.Stop();
    }
}
