using ActorLb.Cluster;

namespace ActorLb.Tests.Cluster.Transport;

[Collection(AloneCollection.Name)]
public sealed class PeerAllocationTests
{
    [Fact]
    public async Task Frames_InSteadyState_CostNoAllocationEach()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        var link = a.Connect(b);
        await a.EventAsync();
        const int Batches = 50, Batch = 2_000;
        var got = 0;
        using var done = new SemaphoreSlim(0);
        b.OnFrameAction = (_, _) =>
        {
            if (++got % Batch == 0)
            {
                done.Release();
            }
        };
        var frame = PeerNode.Frame(1, 21);
        async Task RunAsync()
        {
            for (var i = 0; i < Batches; i++)
            {
                for (var j = 0; j < Batch; j++)
                {
                    link.Send(frame, PeerLane.Calls);
                }

                Assert.True(await done.WaitAsync(PeerNode.Patience));
            }
        }

        await RunAsync();
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await RunAsync();
        var each = (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)(Batches * Batch);
        // Both ends; each of the writes of HTTP/2 has its own few objects.
        Assert.True(each < 20, $"{each:0.00} B a frame");
    }
}
