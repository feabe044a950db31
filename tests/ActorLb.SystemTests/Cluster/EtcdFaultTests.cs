using System.Diagnostics;
using System.Net;
using System.Threading.Channels;
using ActorLb.Cluster;
using ActorLb.Cluster.Etcd;
using ActorLb.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.SystemTests.Cluster;

/// <summary>Members killed, stopped, cut off and wiped under a store in use.</summary>
[Trait("speed", "slow")]
public sealed class EtcdFaultTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Soon => new CancellationTokenSource(Patience).Token;

    [Fact]
    public async Task LeaderKilled_WritesGoOnAndTheWatchLosesAndRepeatsNothing()
    {
        await using var etcd = await EtcdServer.StartAsync(3);
        await using var store = Store(etcd);
        await using var watcher = Store(etcd);
        using var stop = new CancellationTokenSource();
        var told = new List<string>();
        var enough = new TaskCompletionSource();
        const int Count = 60;
        var watching = Task.Run(async () =>
        {
            await foreach (var batch in watcher.WatchAsync("k", 2, stop.Token))
            {
                told.AddRange(batch.Events.Select(e => ClusterStoreConformance.Text(e.Entry)));
                if (told.Count >= Count)
                {
                    enough.TrySetResult();
                }
            }
        });

        long longest = 0;
        for (var i = 0; i < Count; i++)
        {
            if (i == Count / 2)
            {
                (await etcd.LeaderAsync()).Kill();
            }

            var watch = Stopwatch.StartNew();
            await WriteOnceAsync(store, i);
            longest = Math.Max(longest, watch.ElapsedMilliseconds);
        }

        await enough.Task.WaitAsync(Patience);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
        Assert.Equal(Enumerable.Range(0, Count).Select(i => $"{i}"), told);
        TestContext.Current.TestOutputHelper?.WriteLine($"longest write over the leader's death: {longest} ms");
        Assert.InRange(longest, 0, 10_000);
    }

    [Fact]
    public async Task MemberWithoutMajority_RefusesReadsKeepAlivesAndWatches()
    {
        // etcd's own time-outs, which the measured facts are about: 100 ms heart-beats, elections after 1 s.
        await using var etcd = await EtcdServer.StartAsync(3, new EtcdServerOptions(Heartbeat: 100));
        var alone = await FollowerAsync(etcd);
        using var client = new EtcdClient(etcd.Options() with { Endpoints = [alone.Client] }, TimeProvider.System, new Random(1));
        var lease = (await client.LeaseGrantAsync(60, Soon)).Id;
        await using var watch = await client.WatchAtAsync(0, new EtcdWatchCreateRequest { Key = "k"u8.ToArray() }, Soon);
        Assert.True((await watch.ReadAsync(Soon)).Created);
        KillAllBut(etcd, alone);

        // The watch asked to be led, so it ends by an error in the stream (after HTTP 200) instead of falling silent.
        var clock = Stopwatch.StartNew();
        var ended = await Assert.ThrowsAsync<EtcdException>(async () => await watch.ReadAsync(Soon));
        TestContext.Current.TestOutputHelper?.WriteLine($"watch ended after {clock.ElapsedMilliseconds} ms: {ended.Message}");
        Assert.Equal(EtcdError.Unavailable, ended.Error);
        Assert.Contains("no leader", ended.Message, StringComparison.Ordinal);

        var read = await Assert.ThrowsAsync<EtcdException>(() => client.RangeAsync(new EtcdRangeRequest { Key = "k"u8.ToArray() }, Soon));
        Assert.Equal(EtcdError.Unavailable, read.Error);
        var alive = await Assert.ThrowsAsync<EtcdException>(() => client.LeaseKeepAliveAsync(lease, Soon));
        Assert.Equal(EtcdError.Unavailable, alive.Error);
        Assert.Contains(alone.Client.Authority, alive.Message, StringComparison.Ordinal);
        var write = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync(new EtcdPutRequest { Key = "k"u8.ToArray() }, Soon));
        Assert.Equal(EtcdError.OutcomeUnknown, write.Error);
        var again = await Assert.ThrowsAsync<EtcdException>(
            () => client.WatchAtAsync(0, new EtcdWatchCreateRequest { Key = "k"u8.ToArray() }, Soon).ContinueWith(async t => await (await t).ReadAsync(Soon)).Unwrap());
        Assert.Equal(EtcdError.Unavailable, again.Error);
    }

    [Fact]
    public async Task MemberWithoutMajority_LetsACallHangForSevenSecondsThenFails()
    {
        await using var etcd = await EtcdServer.StartAsync(3, new EtcdServerOptions(Heartbeat: 100));
        var alone = await FollowerAsync(etcd);
        using var http = new HttpClient();
        async Task<(int, string, long)> PostAsync(string path, string json)
        {
            var clock = Stopwatch.StartNew();
            using var content = new StringContent(json);
            using var response = await http.PostAsync(new Uri(alone.Client, path), content, Soon);
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Soon), clock.ElapsedMilliseconds);
        }

        using var client = new EtcdClient(etcd.Options(), TimeProvider.System, new Random(1));
        var lease = (await client.LeaseGrantAsync(60, Soon)).Id;
        KillAllBut(etcd, alone);
        var (put, alive) = (PostAsync("/v3/kv/put", """{"key":"YQ=="}"""), PostAsync("/v3/lease/keepalive", $$"""{"ID":"{{lease}}"}"""));
        var (status, body, time) = await put;
        TestContext.Current.TestOutputHelper?.WriteLine($"put: {status} {body} after {time} ms; keep-alive: {await alive}");
        Assert.InRange(status, 500, 599);
        Assert.Equal(EtcdError.OutcomeUnknown, EtcdRefusal.Read((HttpStatusCode)status, System.Text.Encoding.UTF8.GetBytes(body)).Classify(write: true));
        Assert.InRange(time, 5_000, 12_000);
        Assert.Equal(503, (await alive).Item1);
    }

    [Fact]
    public async Task MemberStopped_CallsAndWatchesMoveToAnother()
    {
        await using var etcd = await EtcdServer.StartAsync(3);
        var follower = await FollowerAsync(etcd);
        var leader = await etcd.LeaderAsync();
        var options = etcd.Options();
        // A seed under which the store begins at the member that is going to be stopped.
        var seed = Enumerable.Range(0, 100).First(s => new Random(s).Next(3) == etcd.Members.IndexOf(follower));
        await using var store = new EtcdStore(options, TimeProvider.System, new Random(seed), NullLogger<EtcdStore>.Instance);
        await using var other = new EtcdStore(options with { Endpoints = [leader.Client] }, TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance);
        var lease = ClusterStoreConformance.Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(30), Soon));
        var events = Channel.CreateUnbounded<string>();
        using var stop = new CancellationTokenSource();
        var watching = Task.Run(async () =>
        {
            await foreach (var batch in store.WatchAsync("k", 2, stop.Token))
            {
                foreach (var e in batch.Events)
                {
                    await events.Writer.WriteAsync(ClusterStoreConformance.Text(e.Entry));
                }
            }
        });
        await ClusterStoreConformance.PutAsync(other, "k", "before");
        Assert.Equal("before", await events.Reader.ReadAsync(Soon));

        follower.Pause();
        try
        {
            var clock = Stopwatch.StartNew();
            Assert.True(ClusterStoreConformance.Good(await store.KeepAliveAsync(lease, Soon)));
            Assert.InRange(clock.ElapsedMilliseconds, 0, 3_000);
            await ClusterStoreConformance.PutAsync(other, "k", "after");
            Assert.Equal("after", await events.Reader.ReadAsync(Soon));
            TestContext.Current.TestOutputHelper?.WriteLine($"the watch told of a change {clock.ElapsedMilliseconds} ms after its member was stopped");
        }
        finally
        {
            follower.Resume();
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    [Fact]
    public async Task Outage_EveryCallFailsClearly_AndAllGoesOnAfterIt()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var store = Store(etcd);
        var member = etcd.Members[0];
        var lease = ClusterStoreConformance.Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(60), Soon));
        await ClusterStoreConformance.PutAsync(store, "k", "1");
        var events = Channel.CreateUnbounded<string>();
        using var stop = new CancellationTokenSource();
        var watching = Task.Run(async () =>
        {
            await foreach (var batch in store.WatchAsync("k", 2, stop.Token))
            {
                foreach (var e in batch.Events)
                {
                    await events.Writer.WriteAsync(ClusterStoreConformance.Text(e.Entry));
                }
            }
        });
        Assert.Equal("1", await events.Reader.ReadAsync(Soon));
        member.Kill();

        // Of a store without a watch: one goes on trying, and what it last met would be the last error.
        await using var reader = Store(etcd);
        var read = await reader.RangeAsync("", Soon);
        Assert.Equal(StoreError.Unavailable, read.Error);
        Assert.Contains(member.Client.Authority, read.Detail, StringComparison.Ordinal);
        Assert.Contains("refused", read.Detail, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(read.Detail, reader.LastError);
        // Never sent, so known not to be done.
        var write = await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put("k", default)]), Soon);
        Assert.Equal(StoreError.Unavailable, write.Error);
        Assert.Equal(StoreError.Unavailable, (await store.KeepAliveAsync(lease, Soon)).Error);
        Assert.Equal(StoreError.Unavailable, (await store.GrantLeaseAsync(TimeSpan.FromSeconds(5), Soon)).Error);

        member.Start();
        await member.WhenReadyAsync();
        Assert.True(ClusterStoreConformance.Good(await store.KeepAliveAsync(lease, Soon)));
        await ClusterStoreConformance.PutAsync(store, "k", "2");
        Assert.Equal("2", await events.Reader.ReadAsync(Soon));
        Assert.Null(store.LastError);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    [Fact]
    public async Task Wipe_EndsTheWatchAsCompacted_InsteadOfWaitingForTheOldRevisions()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var store = Store(etcd);
        var lease = ClusterStoreConformance.Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(60), Soon));
        for (var i = 0; i < 10; i++)
        {
            await ClusterStoreConformance.PutAsync(store, "k", $"{i}");
        }

        var batches = Channel.CreateUnbounded<StoreBatch>();
        var watching = Task.Run(async () =>
        {
            await foreach (var batch in store.WatchAsync("k", 2, Soon))
            {
                await batches.Writer.WriteAsync(batch);
            }
        });
        for (long last = 0; last < 11;)
        {
            last = (await batches.Reader.ReadAsync(Soon)).Revision;
        }

        await etcd.WipeAsync();
        var end = await batches.Reader.ReadAsync(Soon);
        Assert.Equal(StoreError.Compacted, end.Error);
        Assert.Contains("wiped or restored", end.Detail, StringComparison.Ordinal);
        await watching.WaitAsync(Patience);
        Assert.False(ClusterStoreConformance.Good(await store.KeepAliveAsync(lease, Soon)));
        var range = ClusterStoreConformance.Good(await store.RangeAsync("", Soon));
        Assert.Empty(range.Entries);
        await ClusterStoreConformance.PutAsync(store, "k", "anew");
        Assert.Equal("anew", ClusterStoreConformance.Text((await ClusterStoreConformance.TakeAsync(store, "k", range.Revision + 1, 1))[0].Entry));
    }

    [Fact]
    public async Task NodeKilled_ItsKeyGoesWithinItsLease()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var store = Store(etcd);
        var lease = ClusterStoreConformance.Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(5), Soon));
        var put = ClusterStoreConformance.Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put("nodes/a", default, lease)]), Soon));
        var clock = Stopwatch.StartNew();
        Assert.True((await ClusterStoreConformance.TakeAsync(store, "nodes/", put.Revision + 1, 1))[0].IsDelete);
        TestContext.Current.TestOutputHelper?.WriteLine($"deleted after {clock.ElapsedMilliseconds} ms");
        Assert.InRange(clock.ElapsedMilliseconds, 3_500, 8_000);
    }

    [Fact]
    public async Task PortOfSomethingElse_IsNamedAsNoEtcd()
    {
        using var listener = new HttpListener();
        var port = FreePort();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var serving = Task.Run(async () =>
        {
            for (var i = 0; i < 2; i++)
            {
                var context = await listener.GetContextAsync();
                context.Response.StatusCode = i == 0 ? 200 : 404;
                await context.Response.OutputStream.WriteAsync("<html>hello</html>"u8.ToArray());
                context.Response.Close();
            }
        });
        var options = new ActorLb.Configuration.EtcdOptions([new Uri($"http://127.0.0.1:{port}")], "/p", TimeSpan.FromSeconds(5), null, null, null);
        await using var store = new EtcdStore(options, TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance);
        for (var i = 0; i < 2; i++)
        {
            var read = await store.RangeAsync("", Soon);
            Assert.Equal(StoreError.Unavailable, read.Error);
            Assert.Contains("not an answer of etcd's JSON gateway", read.Detail, StringComparison.Ordinal);
            Assert.Contains($"127.0.0.1:{port}", read.Detail, StringComparison.Ordinal);
        }

        await serving;
    }

    private static EtcdStore Store(EtcdServer etcd) => new(etcd.Options(), TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance);

    private static async Task<EtcdMember> FollowerAsync(EtcdServer etcd)
    {
        var leader = await etcd.LeaderAsync();
        return etcd.Members.First(m => m != leader);
    }

    private static void KillAllBut(EtcdServer etcd, EtcdMember one)
    {
        foreach (var member in etcd.Members.Where(m => m != one))
        {
            member.Kill();
        }
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Writes the value exactly once, as a caller must: an unknown outcome is read before it is repeated.</summary>
    private static async Task WriteOnceAsync(EtcdStore store, int value)
    {
        var text = $"{value}";
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < Patience)
        {
            var read = await store.RangeAsync("k", Soon);
            if (!read.IsOk)
            {
                continue;
            }

            var entry = read.Value.Entries.SingleOrDefault();
            if (entry is not null && ClusterStoreConformance.Text(entry) == text)
            {
                return;
            }

            await store.CommitAsync(
                new StoreTransaction(
                    [StoreCompare.Unchanged("k", entry?.ModRevision ?? 0)], [StoreWrite.Put("k", System.Text.Encoding.UTF8.GetBytes(text))]),
                Soon);
        }

        Assert.Fail($"value {value} could not be written");
    }
}
