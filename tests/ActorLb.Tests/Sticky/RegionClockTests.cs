using System.Diagnostics;
using ActorLb.Cluster;
using ActorLb.Fleet;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

/// <summary>The clock of real time, over a region whose shards belong to a peer that never answers.</summary>
[Collection(AloneCollection.Name)]
public sealed class RegionClockTests : IStickyWaiter, IDisposable
{
    private static readonly BackendRef A = new(1, 1);
    private readonly ShardRegion _region;
    private readonly RegionClock _clock;
    private readonly ManualResetEventSlim _heard = new();
    private readonly List<Exception> _failures = [];

    public RegionClockTests()
    {
        var slots = new BackendSlots();
        slots.Set(A, SlotState.Up);
        var self = new PeerId("lb-1", 1);
        var owner = new PeerId("lb-2", 2);
        _region = new ShardRegion(
            new RegionSettings(self, TimeSpan.FromHours(1), 1000), new StickyHash(new byte[16]), slots, new StickyClock(TimeProvider.System));
        _region.Adopt(
            new ShardMap(
                ShardMap.NextEpoch(0, 1), [new MapNode(self, "a:1"), new MapNode(owner, "b:1")],
                [.. Enumerable.Repeat(new ShardSeats(1, -1, -1), StickyHash.Shards)]),
            peer => new SilentLink(peer.Id));
        _clock = new RegionClock(_region, _failures.Add);
    }

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) => _heard.Set();

    public void Dispose()
    {
        _clock.Dispose();
        _region.Dispose();
        _heard.Dispose();
    }

    [Fact]
    public void PoolBlocked_TheOwnerIsGivenUpOnlyAfterItRunsAgain()
    {
        // As few threads as may be, and all of them held, if this is one of them too.
        ThreadPool.GetMaxThreads(out var most, out var completions);
        ThreadPool.GetMinThreads(out var least, out _);
        var threads = Math.Max(least, Environment.ProcessorCount);
        Assert.True(ThreadPool.SetMaxThreads(threads, completions));
        using var free = new ManualResetEventSlim();
        var count = threads - (Thread.CurrentThread.IsThreadPoolThread ? 1 : 0);
        using var held = new CountdownEvent(count);
        using var let = new CountdownEvent(count);
        for (var i = 0; i < count; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    held.Signal();
                    free.Wait();
                    let.Signal();
                }, null);
        }

        bool early;
        long start;
        try
        {
            Assert.True(held.Wait(TimeSpan.FromSeconds(30)));
            start = Stopwatch.GetTimestamp();
            Assert.False(_region.GetOrAssign(77, [A], this, 1, out _));
            early = _heard.Wait(200);
        }
        finally
        {
            ThreadPool.SetMaxThreads(most, completions);
            free.Set();
            let.Wait();
        }

        Assert.True(_heard.Wait(TimeSpan.FromSeconds(10)));
        var waited = Stopwatch.GetElapsedTime(start);
        Assert.False(early, "the owner was given up while no answer could have been read");
        Assert.InRange(waited.TotalMilliseconds, 200, 2000);
        Assert.Empty(_failures);
    }

    private sealed record SilentLink(PeerId Peer) : IPeerLink
    {
        public bool IsUp => true;

        public bool Send(ReadOnlySpan<byte> frame, PeerLane lane) => true;
    }
}
