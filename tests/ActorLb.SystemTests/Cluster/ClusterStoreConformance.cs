using System.Text;
using ActorLb.Cluster;

namespace ActorLb.SystemTests.Cluster;

/// <summary>What every <see cref="IClusterStore"/> must do, whatever it stands on.</summary>
public abstract class ClusterStoreConformance
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static CancellationToken Soon => new CancellationTokenSource(Patience).Token;

    [Fact]
    public async Task Range_NothingBelowThePrefix_IsEmptyWithARevision()
    {
        await using var store = Open();
        var range = Good(await store.RangeAsync("nodes/", Soon));
        Assert.Empty(range.Entries);
        Assert.True(range.Revision >= 1);
    }

    [Fact]
    public async Task Range_SeveralKeys_AreSortedAndOnlyBelowThePrefix()
    {
        await using var store = Open();
        await PutAsync(store, "nodes/b", "2");
        await PutAsync(store, "nodes/a", "1");
        await PutAsync(store, "nodesx", "no");
        await PutAsync(store, "table", "no");
        var range = Good(await store.RangeAsync("nodes/", Soon));
        Assert.Equal(["nodes/a", "nodes/b"], range.Entries.Select(e => e.Key));
        Assert.Equal(["1", "2"], range.Entries.Select(Text));
    }

    [Fact]
    public async Task Range_WholeKey_FindsIt()
    {
        await using var store = Open();
        await PutAsync(store, "table", "t");
        Assert.Equal("t", Text(Assert.Single(Good(await store.RangeAsync("table", Soon)).Entries)));
    }

    [Fact]
    public async Task Put_Twice_KeepsTheCreateRevisionAndRaisesTheOther()
    {
        await using var store = Open();
        var first = await PutAsync(store, "k", "1");
        var second = await PutAsync(store, "k", "2");
        var entry = Assert.Single(Good(await store.RangeAsync("k", Soon)).Entries);
        Assert.True(second > first);
        Assert.Equal((first, second, 0L), (entry.CreateRevision, entry.ModRevision, entry.Lease));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(30_000)]
    public async Task Put_ValueOfAnySize_ComesBackAsItWas(int size)
    {
        await using var store = Open();
        var value = new byte[size];
        new Random(size).NextBytes(value);
        Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put("k/ü", value)]), Soon));
        var entry = Assert.Single(Good(await store.RangeAsync("k/", Soon)).Entries);
        Assert.Equal("k/ü", entry.Key);
        Assert.Equal(value, entry.Value.ToArray());
    }

    [Fact]
    public async Task Commit_Absent_OnlyTheFirstWins()
    {
        await using var store = Open();
        var mine = new StoreTransaction([StoreCompare.Absent("coord")], [StoreWrite.Put("coord", "a"u8.ToArray())]);
        Assert.True(Good(await store.CommitAsync(mine, Soon)).Succeeded);
        Assert.False(Good(await store.CommitAsync(mine, Soon)).Succeeded);
        await DeleteAsync(store, "coord");
        Assert.True(Good(await store.CommitAsync(mine, Soon)).Succeeded);
    }

    [Fact]
    public async Task Commit_ByModRevision_IsACompareAndSet()
    {
        await using var store = Open();
        var created = await PutAsync(store, "table", "1");
        var next = new StoreTransaction([StoreCompare.Unchanged("table", created)], [StoreWrite.Put("table", "2"u8.ToArray())]);
        var done = Good(await store.CommitAsync(next, Soon));
        Assert.True(done.Succeeded);
        Assert.Equal(done.Revision, Assert.Single(Good(await store.RangeAsync("table", Soon)).Entries).ModRevision);
        Assert.False(Good(await store.CommitAsync(next, Soon)).Succeeded);
    }

    [Fact]
    public async Task Commit_ByValueAndCreateRevision_AllMustHold()
    {
        await using var store = Open();
        var created = await PutAsync(store, "coord", "a");
        await PutAsync(store, "coord", "b");
        StoreTransaction If(params StoreCompare[] compares) => new([.. compares], [StoreWrite.Put("x", default)]);
        Assert.True(Good(await store.CommitAsync(If(StoreCompare.Created("coord", created), StoreCompare.Is("coord", "b"u8.ToArray())), Soon)).Succeeded);
        Assert.False(Good(await store.CommitAsync(If(StoreCompare.Created("coord", created), StoreCompare.Is("coord", "a"u8.ToArray())), Soon)).Succeeded);
        Assert.False(Good(await store.CommitAsync(If(StoreCompare.Is("nothing", "a"u8.ToArray())), Soon)).Succeeded);
        Assert.False(Good(await store.CommitAsync(If(StoreCompare.Absent("coord")), Soon)).Succeeded);
    }

    [Fact]
    public async Task Commit_UnmetCondition_WritesNothing()
    {
        await using var store = Open();
        var before = await PutAsync(store, "a", "1");
        var done = Good(await store.CommitAsync(
            new StoreTransaction([StoreCompare.Absent("a")], [StoreWrite.Put("b", default), StoreWrite.Delete("a")]), Soon));
        Assert.False(done.Succeeded);
        Assert.True(done.Revision >= before);
        Assert.Equal(["a"], Good(await store.RangeAsync("", Soon)).Entries.Select(e => e.Key));
    }

    [Fact]
    public async Task Commit_128Operations_AreOneRevision()
    {
        await using var store = Open();
        var writes = Enumerable.Range(0, StoreTransaction.MaxOperations).Select(i => StoreWrite.Put($"many/{i:d3}", default));
        var compares = Enumerable.Range(0, StoreTransaction.MaxOperations).Select(i => StoreCompare.Absent($"many/{i:d3}"));
        var done = Good(await store.CommitAsync(new StoreTransaction([.. compares], [.. writes]), Soon));
        Assert.True(done.Succeeded);
        var range = Good(await store.RangeAsync("many/", Soon));
        Assert.Equal(StoreTransaction.MaxOperations, range.Entries.Length);
        Assert.All(range.Entries, e => Assert.Equal(done.Revision, e.ModRevision));
    }

    [Fact]
    public async Task Commit_TooManyOperationsOrAKeyTwice_Throws()
    {
        await using var store = Open();
        var many = Enumerable.Range(0, StoreTransaction.MaxOperations + 1).Select(i => StoreWrite.Put($"{i}", default));
        await Assert.ThrowsAsync<ArgumentException>(() => store.CommitAsync(new StoreTransaction([], [.. many]), Soon));
        var twice = new StoreTransaction([], [StoreWrite.Put("k", default), StoreWrite.Delete("k")]);
        await Assert.ThrowsAsync<ArgumentException>(() => store.CommitAsync(twice, Soon));
    }

    [Fact]
    public async Task Delete_WhatIsNotThere_ChangesNothing()
    {
        await using var store = Open();
        var before = await PutAsync(store, "other", "1");
        Assert.True(Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Delete("k")]), Soon)).Succeeded);
        Assert.Equal(before, Assert.Single(Good(await store.RangeAsync("", Soon)).Entries).ModRevision);
    }

    [Fact]
    public async Task Lease_Revoked_TakesItsKeysInOneRevision()
    {
        await using var store = Open();
        var lease = Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(30), Soon));
        var at = Good(await store.CommitAsync(
            new StoreTransaction([], [StoreWrite.Put("nodes/a", default, lease), StoreWrite.Put("coord", default, lease), StoreWrite.Put("stays", default)]), Soon)).Revision;
        Assert.Equal(lease, Good(await store.RangeAsync("coord", Soon)).Entries[0].Lease);
        Assert.True(Good(await store.KeepAliveAsync(lease, Soon)));
        Assert.True(Good(await store.RevokeLeaseAsync(lease, Soon)));
        Assert.Equal(["stays"], Good(await store.RangeAsync("", Soon)).Entries.Select(e => e.Key));
        var gone = await TakeAsync(store, "", at + 1, 2);
        Assert.All(gone, e => Assert.True(e.IsDelete));
        Assert.Single(gone.Select(e => e.Entry.ModRevision).Distinct());
    }

    [Fact]
    public async Task Lease_Gone_KeepAliveSaysSoAndWritesUnderItFail()
    {
        await using var store = Open();
        var lease = Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(30), Soon));
        Assert.True(Good(await store.RevokeLeaseAsync(lease, Soon)));
        Assert.False(Good(await store.KeepAliveAsync(lease, Soon)));
        Assert.False(Good(await store.RevokeLeaseAsync(lease, Soon)));
        var before = await PutAsync(store, "other", "1");
        var done = Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put("k", default, lease), StoreWrite.Put("l", default)]), Soon));
        Assert.False(done.Succeeded);
        Assert.True(done.Revision >= before);
        Assert.Equal(["other"], Good(await store.RangeAsync("", Soon)).Entries.Select(e => e.Key));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Lease_NotRenewed_EndsAndItsKeysGo()
    {
        await using var store = Open();
        var lease = Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(1), Soon));
        var kept = Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(60), Soon));
        var at = Good(await store.CommitAsync(
            new StoreTransaction([], [StoreWrite.Put("nodes/a", default, lease), StoreWrite.Put("nodes/b", default, kept)]), Soon)).Revision;
        var gone = Assert.Single(await TakeAsync(store, "nodes/", at + 1, 1));
        Assert.Equal((true, "nodes/a"), (gone.IsDelete, gone.Entry.Key));
        Assert.Equal(["nodes/b"], Good(await store.RangeAsync("nodes/", Soon)).Entries.Select(e => e.Key));
    }

    [Fact]
    public async Task Lease_KeyRewrittenWithoutIt_Stays()
    {
        await using var store = Open();
        var lease = Good(await store.GrantLeaseAsync(TimeSpan.FromSeconds(30), Soon));
        Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put("k", default, lease)]), Soon));
        await PutAsync(store, "k", "free");
        Good(await store.RevokeLeaseAsync(lease, Soon));
        Assert.Equal("free", Text(Assert.Single(Good(await store.RangeAsync("k", Soon)).Entries)));
    }

    [Fact]
    public async Task Watch_FromAfterARange_MissesAndRepeatsNothing()
    {
        await using var store = Open();
        await PutAsync(store, "k/0", "0");
        var range = Good(await store.RangeAsync("k/", Soon));
        for (var i = 1; i <= 20; i++)
        {
            await PutAsync(store, $"k/{i}", $"{i}");
            await PutAsync(store, $"elsewhere/{i}", "");
        }

        await DeleteAsync(store, "k/0");
        var events = await TakeAsync(store, "k/", range.Revision + 1, 21);
        Assert.Equal(Enumerable.Range(1, 20).Select(i => $"k/{i}").Append("k/0"), events.Select(e => e.Entry.Key));
        Assert.True(events[^1].IsDelete);
        Assert.Equal(Enumerable.Range(1, 20).Select(i => $"{i}"), events.Take(20).Select(e => Text(e.Entry)));
        Assert.Equal(events.Select(e => e.Entry.ModRevision).Order(), events.Select(e => e.Entry.ModRevision));
    }

    [Fact]
    public async Task Watch_WhileChangesAreMade_TellsThem()
    {
        await using var store = Open();
        var from = Good(await store.RangeAsync("", Soon)).Revision + 1;
        var told = TakeAsync(store, "k", from, 3);
        await PutAsync(store, "k", "1");
        await PutAsync(store, "k", "2");
        await DeleteAsync(store, "k");
        Assert.Equal([false, false, true], (await told).Select(e => e.IsDelete));
    }

    [Fact]
    public async Task Watch_BatchRevision_IsWhereTheNextWatchGoesOn()
    {
        await using var store = Open();
        var from = Good(await store.RangeAsync("", Soon)).Revision + 1;
        await PutAsync(store, "k", "1");
        long reached = 0;
        await foreach (var batch in store.WatchAsync("k", from, Soon))
        {
            reached = batch.Revision;
            break;
        }

        await PutAsync(store, "k", "2");
        Assert.Equal("2", Text((await TakeAsync(store, "k", reached + 1, 1))[0].Entry));
    }

    [Fact]
    public async Task Watch_OfATransaction_TellsItInOneBatch()
    {
        await using var store = Open();
        var from = Good(await store.RangeAsync("", Soon)).Revision + 1;
        Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put("k/a", default), StoreWrite.Put("k/b", default)]), Soon));
        await foreach (var batch in store.WatchAsync("k/", from, Soon))
        {
            Assert.Equal(["k/a", "k/b"], batch.Events.Select(e => e.Entry.Key));
            break;
        }
    }

    [Fact]
    public async Task Watch_CompactedRevision_EndsWithThatError()
    {
        await using var store = Open();
        var first = await PutAsync(store, "k", "1");
        await PutAsync(store, "k", "2");
        var last = await PutAsync(store, "k", "3");
        await CompactAsync(store, last);
        var batches = new List<StoreBatch>();
        await foreach (var batch in store.WatchAsync("k", first, Soon))
        {
            batches.Add(batch);
        }

        var only = Assert.Single(batches);
        Assert.Equal(StoreError.Compacted, only.Error);
        Assert.Contains("compacted", only.Detail, StringComparison.Ordinal);
        await PutAsync(store, "k", "4");
        Assert.Equal("4", Text((await TakeAsync(store, "k", Good(await store.RangeAsync("k", Soon)).Revision, 1))[0].Entry));
    }

    [Fact]
    public async Task Watch_Cancelled_Ends()
    {
        await using var store = Open();
        using var stop = new CancellationTokenSource();
        var watching = Task.Run(async () =>
        {
            await foreach (var batch in store.WatchAsync("k", 2, stop.Token))
            {
                Assert.Equal(StoreError.None, batch.Error);
            }
        });
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching.WaitAsync(Patience));
    }

    [Fact]
    public async Task Commit_FromManyAtOnce_CountsEveryWinnerOnce()
    {
        await using var store = Open();
        await PutAsync(store, "counter", "0");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (var done = 0; done < 10;)
            {
                var entry = Good(await store.RangeAsync("counter", Soon)).Entries[0];
                var next = Encoding.UTF8.GetBytes($"{int.Parse(Text(entry)) + 1}");
                var commit = await store.CommitAsync(
                    new StoreTransaction([StoreCompare.Unchanged("counter", entry.ModRevision)], [StoreWrite.Put("counter", next)]), Soon);
                done += Good(commit).Succeeded ? 1 : 0;
            }
        }));
        Assert.Equal("80", Text(Good(await store.RangeAsync("counter", Soon)).Entries[0]));
    }

    /// <summary>An empty store of the test's own.</summary>
    private protected abstract IClusterStore Open();

    private protected abstract Task CompactAsync(IClusterStore store, long revision);

    internal static T Good<T>(StoreResult<T> result)
    {
        Assert.True(result.IsOk, $"{result.Error}: {result.Detail}");
        return result.Value;
    }

    internal static string Text(StoreEntry entry) => Encoding.UTF8.GetString(entry.Value.Span);

    internal static async Task<long> PutAsync(IClusterStore store, string key, string value) =>
        Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Put(key, Encoding.UTF8.GetBytes(value))]), Soon)).Revision;

    internal static async Task DeleteAsync(IClusterStore store, string key) =>
        Good(await store.CommitAsync(new StoreTransaction([], [StoreWrite.Delete(key)]), Soon));

    /// <summary>The first so many changes of a watch.</summary>
    internal static async Task<List<StoreEvent>> TakeAsync(IClusterStore store, string prefix, long from, int count)
    {
        var events = new List<StoreEvent>();
        await foreach (var batch in store.WatchAsync(prefix, from, Soon))
        {
            Assert.True(batch.Error == StoreError.None, batch.Detail);
            events.AddRange(batch.Events);
            if (events.Count >= count)
            {
                break;
            }
        }

        return events;
    }
}
