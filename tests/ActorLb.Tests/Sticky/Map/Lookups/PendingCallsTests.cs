using System.Collections.Concurrent;
using ActorLb.Sticky.Map.Lookups;

namespace ActorLb.Tests.Sticky.Map.Lookups;

public sealed class PendingCallsTests
{
    [Fact]
    public void Rent_ManyThreads_NobodySharesACall()
    {
        var calls = new PendingCalls();
        var held = new ConcurrentDictionary<PendingCall, int>();
        int shared = 0;
        Parallel.For(0, 4, worker =>
        {
            var mine = new Queue<PendingCall>();
            for (int i = 0; i < 50_000; i++)
            {
                var call = calls.Rent()!;
                shared += held.TryAdd(call, worker) ? 0 : 1;
                mine.Enqueue(call);
                if (mine.Count > 40)
                {
                    var back = mine.Dequeue();
                    held.TryRemove(back, out _);
                    back.Id = PendingCalls.NextId(back.Id);
                    calls.Return(back);
                }
            }
        });

        Assert.Equal(0, shared);
        Assert.InRange(calls.Made, 41, 4 * 41 + 4);
        Assert.Equal(4 * 40, calls.Active);
    }

    [Fact]
    public void Rent_PastTheBound_RefusesUntilOneComesBack()
    {
        var calls = new PendingCalls();
        var all = Enumerable.Range(0, PendingCalls.Capacity).Select(_ => calls.Rent()!).ToList();

        Assert.Equal(PendingCalls.Capacity, all.Distinct().Count());
        Assert.Null(calls.Rent());
        calls.Return(all[7]);
        Assert.Same(all[7], calls.Rent());
        Assert.All(all, c => Assert.Same(c, calls.Find(c.Id)));
    }
}
