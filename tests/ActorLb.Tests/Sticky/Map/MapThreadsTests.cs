using System.Threading.Channels;
using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;
using ActorLb.Testing;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>
/// Three maps with their clocks, threads that use them, and shards that move all the time: nothing hangs, and every lookup is
/// answered.
/// </summary>
[Collection(AloneCollection.Name)]
public sealed class MapThreadsTests
{
    private const int Shards = 16;
    private const int Moves = 40;
    private static readonly BackendRef A = new(1, 1);

    [Fact]
    public async Task ShardsMove_WhileThreadsAsk_EveryLookupIsAnswered()
    {
        using var fleet = new Threads(3);
        for (int shard = 0; shard < Shards; shard++)
        {
            fleet.Open(shard % 3, shard);
        }

        await fleet.Until(() => Enumerable.Range(0, 3).Sum(n => fleet.Maps[n].Measure().Owned) == Shards);
        using var stop = new CancellationTokenSource();
        var askers = Enumerable.Range(0, 3).Select(n => Task.Factory.StartNew(
            () => fleet.Ask(n, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        var random = new Random(1);
        for (int move = 0; move < Moves; move++)
        {
            int shard = random.Next(Shards);
            int from = Array.FindIndex(fleet.Maps, m => m.Shards[shard].Serves);
            fleet.Maps[from].BeginSeal(shard);
            await fleet.Until(() => fleet.Maps[from].Shards[shard].Phase == ShardPhase.Closed);
            fleet.Maps[from].Close(shard);
            int to = random.Next(3);
            fleet.Open(to, shard);
            if (move % 10 == 9)
            {
                fleet.Restart(random.Next(3));
            }

            await fleet.Until(() => fleet.Reopen());
        }

        await stop.CancelAsync();
        await Task.WhenAll(askers);
        await fleet.Until(() => fleet.Answered == fleet.Asked);
        Assert.Empty(fleet.Failures);
        Assert.True(fleet.Asked > 1000);
        Assert.All(fleet.Maps, m => Assert.Equal(0, m.Counters.Rejected));
    }

    private sealed class Threads : IDisposable
    {
        private readonly Channel<(int From, MemberId To, MapMessage Message)>[] _queues;
        private readonly Task[] _readers;
        private readonly MapClock[] _clocks;
        private readonly MemberId[] _ids;
        private long _asked;
        private long _answered;

        public Threads(int count)
        {
            var slots = new BackendSlots();
            slots.Set(A, AdminState.Up);
            _ids = [.. Enumerable.Range(1, count).Select(i => new MemberId($"lb-{i}", (ulong)i))];
            _queues = [.. _ids.Select(_ => Channel.CreateUnbounded<(int, MemberId, MapMessage)>())];
            Maps = [.. Enumerable.Range(0, count).Select(i => new ShardedMap(
                new MapSettings(Shards, TimeSpan.FromHours(1), 1_000_000), new StickyHash(new byte[16]), slots, new StickyClock(TimeProvider.System), new Out(this, i)))];
            foreach (var map in Maps)
            {
                map.ShardDeposed += map.Close;
            }

            _clocks = [.. Maps.Select(m => new MapClock(m, e => Failures.Add(e)))];
            _readers = [.. Enumerable.Range(0, count).Select(i => Task.Run(() => ReadAsync(i)))];
            Enter();
        }

        public ShardedMap[] Maps { get; }

        public System.Collections.Concurrent.ConcurrentBag<Exception> Failures { get; } = [];

        public long Asked => Volatile.Read(ref _asked);

        public long Answered => Volatile.Read(ref _answered);

        public void Open(int node, int shard) => Maps[node].BeginOpen(shard);

        /// <summary>A fleet system ends and another starts.</summary>
        public void Restart(int node)
        {
            Maps[node].SetMembers(null);
            _ids[node] = _ids[node] with { Incarnation = _ids[node].Incarnation + 100 };
            Enter();
        }

        /// <summary>Starts an actor for each shard without one.</summary>
        public bool Reopen()
        {
            bool done = true;
            for (int shard = 0; shard < Shards; shard++)
            {
                if (Maps.All(m => m.Shards[shard].Phase == ShardPhase.Closed))
                {
                    Maps[shard % Maps.Length].BeginOpen(shard);
                }

                done &= Maps.Count(m => m.Shards[shard].Serves) == 1;
            }

            return done;
        }

        public void Ask(int node, CancellationToken stop)
        {
            var waiter = new Waiter(this);
            var random = new Random(node);
            while (!stop.IsCancellationRequested)
            {
                ulong h = (ulong)random.NextInt64() * 3;
                Interlocked.Increment(ref _asked);
                if (Maps[node].GetOrAssign(h, [A], waiter, h, out var answer))
                {
                    Interlocked.Increment(ref _answered);
                }

                uint session = Maps[node].Opened(h, A, answer.Outcome);
                Maps[node].Closed(h, A, session);
                if (Asked % 64 == 0)
                {
                    // Lets the answers catch up: more threads ask than there are cores.
                    Thread.Sleep(1);
                }
            }
        }

        public Task Until(Func<bool> isSo) => Wait.UntilAsync(isSo, () => string.Join("; ", Maps.Select(m => m.Measure())));

        public void Dispose()
        {
            foreach (var clock in _clocks)
            {
                clock.Dispose();
            }

            foreach (var queue in _queues)
            {
                queue.Writer.Complete();
            }

            Task.WaitAll(_readers);
            foreach (var map in Maps)
            {
                map.Dispose();
            }
        }

        private void Enter()
        {
            for (int i = 0; i < Maps.Length; i++)
            {
                Maps[i].SetMembers(new MapMembers(_ids[i], _ids.Select(id => new MapMember(id))));
            }
        }

        private async Task ReadAsync(int node)
        {
            await foreach (var (from, to, message) in _queues[node].Reader.ReadAllAsync())
            {
                try
                {
                    if (to == _ids[node])
                    {
                        Maps[node].Receive(_ids[from], message);
                    }
                }
                catch (Exception e)
                {
                    Failures.Add(e);
                }
            }
        }

        private sealed class Out(Threads all, int from) : IMapTransport
        {
            public void Send(MemberId to, MapMessage message)
            {
                int target = Array.IndexOf(all._ids, to);
                if (target >= 0)
                {
                    all._queues[target].Writer.TryWrite((from, to, message));
                }
            }
        }

        private sealed class Waiter(Threads all) : IStickyWaiter
        {
            public void Complete(ulong ticket, in StickyAnswer answer) => Interlocked.Increment(ref all._answered);
        }
    }
}
