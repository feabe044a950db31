using ActorLb.Cluster.Transport;
using ActorLb.Testing;

namespace ActorLb.Tests.Cluster.Transport;

public sealed class SendQueueTests
{
    [Fact]
    public async Task TryAppend_SeveralFrames_AreTakenInOnePieceAndInOrder()
    {
        var queue = new SendQueue(1000);
        Assert.True(queue.TryAppend([1, 2]));
        Assert.True(queue.TryAppend([3]));
        Assert.True(await queue.WaitAsync());
        Assert.Equal([1, 2, 3], queue.Take().ToArray());
        Assert.True(queue.TryAppend([4]));
        Assert.Equal(4, queue.Queued);
        queue.Taken();
        Assert.Equal([4], queue.Take().ToArray());
    }

    [Fact]
    public void TryAppend_OverTheLimit_FailsUntilWritten()
    {
        var queue = new SendQueue(100);
        Assert.True(queue.TryAppend(new byte[60]));
        Assert.False(queue.TryAppend(new byte[41]));
        Assert.True(queue.TryAppend(new byte[40]));
        // What is being written counts as well, until it is.
        queue.Take();
        Assert.False(queue.TryAppend(new byte[1]));
        queue.Taken();
        Assert.True(queue.TryAppend(new byte[100]));
    }

    [Fact]
    public void TryAppend_MoreThanTheFirstBuffer_GrowsUpToTheLimit()
    {
        var queue = new SendQueue(1 << 20);
        var frame = new byte[1000];
        var taken = 0;
        for (; queue.TryAppend(frame); taken++)
        {
            frame[0]++;
        }

        Assert.Equal((1 << 20) / 1000, taken);
        var all = queue.Take();
        Assert.Equal(taken * 1000, all.Length);
        Assert.Equal(Enumerable.Range(0, taken).Select(i => (byte)i), Enumerable.Range(0, taken).Select(i => all.Span[i * 1000]));
    }

    [Fact]
    public async Task WaitAsync_WhileEmpty_CompletesWithTheNextFrame()
    {
        var queue = new SendQueue(100);
        for (byte i = 0; i < 3; i++)
        {
            var waiting = queue.WaitAsync().AsTask();
            Assert.False(waiting.IsCompleted);
            queue.TryAppend([i]);
            Assert.True(await waiting.WaitAsync(TimeSpan.FromSeconds(10)));
            Assert.Equal([i], queue.Take().ToArray());
            queue.Taken();
        }
    }

    [Fact]
    public async Task Close_WakesTheWriterAndRefusesSenders()
    {
        var queue = new SendQueue(100);
        var waiting = queue.WaitAsync().AsTask();
        queue.Close();
        Assert.False(await waiting.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.False(queue.TryAppend([1]));
        Assert.False(await queue.WaitAsync());
    }

    [Fact]
    public async Task TryAppend_FromManyThreads_LosesNothing()
    {
        var queue = new SendQueue(1 << 20);
        const int Senders = 4, Each = 20_000;
        var senders = Enumerable.Range(0, Senders).Select(s => Task.Run(() =>
        {
            for (var i = 0; i < Each; i++)
            {
                SpinWait spin = default;
                while (!queue.TryAppend([(byte)s]))
                {
                    spin.SpinOnce();
                }
            }
        })).ToArray();
        var counts = new int[Senders];
        for (var total = 0; total < Senders * Each;)
        {
            Assert.True(await queue.WaitAsync());
            foreach (var b in queue.Take().Span)
            {
                counts[b]++;
                total++;
            }

            queue.Taken();
        }

        await Task.WhenAll(senders);
        Assert.All(counts, c => Assert.Equal(Each, c));
    }

    [Fact]
    public void AppendTakeTaken_InSteadyState_AllocateNothing()
    {
        var queue = new SendQueue(1 << 20);
        var frame = new byte[41];
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                queue.TryAppend(frame);
                queue.TryAppend(frame);
                queue.Take();
                queue.Taken();
            }
        }));
    }
}
