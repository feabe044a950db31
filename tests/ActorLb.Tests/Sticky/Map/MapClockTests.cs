using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;
using ActorLb.Testing;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>The clock in real time, with a map whose shards are owned by a member that never answers.</summary>
[Collection(AloneCollection.Name)]
public sealed class MapClockTests : IStickyWaiter, IMapTransport, IDisposable
{
    private static readonly BackendRef A = new(1, 1);
    private readonly ShardedMap _map;
    private readonly MapClock _clock;
    private readonly ManualResetEventSlim _heard = new();
    private readonly List<Exception> _failures = [];

    public MapClockTests()
    {
        var slots = new BackendSlots();
        slots.Set(A, AdminState.Up);
        var self = new MemberId("lb-1", 1);
        var owner = new MemberId("lb-2", 2);
        _map = new ShardedMap(
            new MapSettings(1, TimeSpan.FromHours(1), 1000), new StickyHash(new byte[16]), slots, new StickyClock(TimeProvider.System), this);
        _map.SetMembers(new MapMembers(self, [new MapMember(self), new MapMember(owner)]));
        _map.Receive(owner, new Announcements([owner], [new AnnouncedSeats(0, ShardEpoch.Next(0, 2), 1, 0, -1, -1, SeatFlags.None)]));
        _clock = new MapClock(_map, _failures.Add);
    }

    void IMapTransport.Send(MemberId to, MapMessage message)
    {
    }

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) => _heard.Set();

    public void Dispose()
    {
        _clock.Dispose();
        _map.Dispose();
        _heard.Dispose();
    }

    [Fact]
    public void PoolBlocked_TheOwnerIsGivenUpOnlyAfterItRunsAgain()
    {
        // Use the minimum number of threads and block all of them, including this one if it is from the pool.
        ThreadPool.GetMaxThreads(out int most, out int completions);
        ThreadPool.GetMinThreads(out int least, out _);
        int threads = Math.Max(least, Environment.ProcessorCount);
        Assert.True(ThreadPool.SetMaxThreads(threads, completions));
        using var free = new ManualResetEventSlim();
        int count = threads - (Thread.CurrentThread.IsThreadPoolThread ? 1 : 0);
        using var held = new CountdownEvent(count);
        using var let = new CountdownEvent(count);
        for (int i = 0; i < count; i++)
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
            Assert.True(held.Wait(Wait.Patience));
            start = Stopwatch.GetTimestamp();
            Assert.False(_map.GetOrAssign(77, [A], this, 1, out _));
            early = _heard.Wait(200);
        }
        finally
        {
            ThreadPool.SetMaxThreads(most, completions);
            free.Set();
            let.Wait();
        }

        Assert.True(_heard.Wait(Wait.Patience));
        var waited = Stopwatch.GetElapsedTime(start);
        Assert.False(early, "the owner was given up while no answer could have been read");
        Assert.InRange(waited.TotalMilliseconds, 200, 2000);
        Assert.Empty(_failures);
    }
}
