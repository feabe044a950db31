using System.Collections.Concurrent;
using ActorLb.Cluster;

namespace ActorLb.Fleet;

/// <summary>Does the core's store calls and watches as tasks, and hands the outcome back as messages.</summary>
internal sealed class StoreRunner(
    IClusterStore store, TimeSpan leaseTtl, Action<StoreReply> replied, Func<int, StoreBatch, CancellationToken, ValueTask> watched)
    : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, byte> _running = new();
    private CancellationTokenSource? _watch;
    private Task? _watchTask;
    private int _generation;

    /// <summary>A batch of an older generation is of a watch that was given up. Read and written by the actor.</summary>
    public int Generation => _generation;

    public void Call(StoreCall call) => Keep(RunAsync(call));

    public void Watch(long fromRevision)
    {
        _watch?.Cancel();
        _watch?.Dispose();
        _watch = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        _watchTask = WatchAsync(fromRevision, ++_generation, _watch.Token);
        Keep(_watchTask);
    }

    public async ValueTask DisposeAsync()
    {
        // What was asked last, a lease's end above all, gets a moment.
        var last = Task.WhenAll(_running.Keys.Where(t => !ReferenceEquals(t, _watchTask)));
        await Task.WhenAny(last, Task.Delay(TimeSpan.FromSeconds(2), CancellationToken.None)).ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running.Keys).ConfigureAwait(false);
        _watch?.Dispose();
        _stop.Dispose();
    }

    private void Keep(Task task)
    {
        _running.TryAdd(task, 0);
        _ = task.ContinueWith(t => _running.TryRemove(t, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task RunAsync(StoreCall call)
    {
        await Task.Yield();
        StoreReply reply;
        try
        {
            reply = await DoAsync(call, _stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return;
        }
        catch (Exception e)
        {
            reply = new StoreReply(call.Number, StoreError.OutcomeUnknown, e.Message, 0, false, null, default);
        }

        replied(reply);
    }

    private async Task<StoreReply> DoAsync(StoreCall call, CancellationToken cancellation)
    {
        switch (call.Kind)
        {
            case StoreCallKind.Grant:
                var grant = await store.GrantLeaseAsync(leaseTtl, cancellation).ConfigureAwait(false);
                return Reply(call, grant) with { Lease = grant.Value };
            case StoreCallKind.KeepAlive:
                var alive = await store.KeepAliveAsync(call.Lease, cancellation).ConfigureAwait(false);
                return Reply(call, alive) with { Alive = alive.Value };
            case StoreCallKind.Revoke:
                return Reply(call, await store.RevokeLeaseAsync(call.Lease, cancellation).ConfigureAwait(false));
            case StoreCallKind.Range:
                var range = await store.RangeAsync("", cancellation).ConfigureAwait(false);
                return Reply(call, range) with { Range = range.Value };
            default:
                var commit = await store.CommitAsync(call.Transaction!, cancellation).ConfigureAwait(false);
                return Reply(call, commit) with { Commit = commit.Value };
        }
    }

    private static StoreReply Reply<T>(StoreCall call, in StoreResult<T> result) =>
        new(call.Number, result.Error, result.Detail, 0, false, null, default);

    private async Task WatchAsync(long fromRevision, int generation, CancellationToken cancellation)
    {
        await Task.Yield();
        var end = new StoreBatch(0, [], StoreError.Unavailable, "the watch ended");
        try
        {
            await foreach (var batch in store.WatchAsync("", fromRevision, cancellation).ConfigureAwait(false))
            {
                await watched(generation, batch, cancellation).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return;
        }
        catch (Exception e)
        {
            end = end with { Detail = e.Message };
        }

        if (!cancellation.IsCancellationRequested)
        {
            await watched(generation, end, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
