using ActorLb.Proxying;
using ActorLb.Proxying.Streams;
using ActorLb.Testing;
using ActorLb.Tests.Proxying;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Proxying.Streams;

public sealed class StreamsReactorTests
{
    /// <summary>A reactor rests when it has nothing to do: a message whose wake-up were lost would never be answered.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task AskAsync_FromManyThreads_EveryMessageIsAnswered()
    {
        await using var plane = Create();
        plane.Start();
        const int PerThread = 50_000;
        Task[] askers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < PerThread; i++) Assert.Equal(i, await plane.Reactors[0].AskAsync(_ => i));
        }))];
        await Task.WhenAll(askers).WaitAsync(Wait.Patience);
    }

    /// <summary>What a reactor runs at a time is one thing: its sessions need no locks.</summary>
    [Fact]
    public async Task Post_FromManyThreads_RunsOneAtATime()
    {
        await using var plane = Create();
        plane.Start();
        int inside = 0, most = 0, ran = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                plane.Reactors[0].Post(_ =>
                {
                    most = Math.Max(most, Interlocked.Increment(ref inside));
                    Thread.SpinWait(20);
                    Interlocked.Decrement(ref inside);
                    ran++;
                });
            }
        })));
        await plane.Reactors[0].AskAsync(_ => 0);
        Assert.Equal((1, 4000), (most, ran));
    }

    [Fact]
    public async Task Dispose_NeverStarted_Returns()
    {
        await using var plane = Create();
    }

    private static StreamsPlane Create() => new(1, new SessionFlow(BareServices.Create()), NullLogger.Instance);
}
