using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace ActorLb.Cluster.InProcess;

/// <summary>The store of a node without a fleet, and of tests: everything in memory, gone with the process.</summary>
internal sealed class InProcessStore : IClusterStore
{
    private readonly StoreState _state = new();
    private readonly Lock _gate = new();
    private readonly List<Watch> _watches = [];
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly long _start;

    public InProcessStore(TimeProvider time)
    {
        _time = time;
        _start = time.GetTimestamp();
        _state.Changed = Publish;
        _timer = time.CreateTimer(_ => Expire(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private long Now => (long)_time.GetElapsedTime(_start).TotalMilliseconds;

    public Task<StoreResult<long>> GrantLeaseAsync(TimeSpan ttl, CancellationToken cancellation) => Do(() => _state.Grant(ttl, Now));

    public Task<StoreResult<bool>> KeepAliveAsync(long lease, CancellationToken cancellation) =>
        Do(() => _state.KeepAlive(lease, Now));

    public Task<StoreResult<bool>> RevokeLeaseAsync(long lease, CancellationToken cancellation) => Do(() => _state.Revoke(lease));

    public Task<StoreResult<StoreRange>> RangeAsync(string prefix, CancellationToken cancellation) => Do(() => _state.Range(prefix));

    public Task<StoreResult<StoreCommit>> CommitAsync(StoreTransaction transaction, CancellationToken cancellation) =>
        Do(() => _state.Commit(transaction));

    public async IAsyncEnumerable<StoreBatch> WatchAsync(
        string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var watch = new Watch(prefix, Channel.CreateUnbounded<StoreBatch>(new UnboundedChannelOptions { SingleReader = true }));
        lock (_gate)
        {
            var missed = _state.Since(fromRevision);
            if (missed is null)
            {
                watch.Channel.Writer.TryWrite(new StoreBatch(
                    _state.Revision, [], StoreError.Compacted, $"revision {fromRevision} is compacted, the oldest is {_state.Compacted + 1}"));
                watch.Channel.Writer.Complete();
            }
            else
            {
                missed.ForEach(m => watch.Offer(m.Revision, m.Events));
                _watches.Add(watch);
            }
        }

        try
        {
            await foreach (var batch in watch.Channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                yield return batch;
            }
        }
        finally
        {
            lock (_gate)
            {
                _watches.Remove(watch);
            }
        }
    }

    /// <summary>Forgets the history up to a revision, as an operator's compaction of etcd does.</summary>
    public void Compact(long revision)
    {
        lock (_gate)
        {
            _state.Compact(revision);
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _watches.ForEach(w => w.Channel.Writer.TryComplete());
            _watches.Clear();
        }

        return _timer.DisposeAsync();
    }

    private Task<StoreResult<T>> Do<T>(Func<T> action)
    {
        lock (_gate)
        {
            _state.Expire(Now);
            var result = action();
            Arm();
            return Task.FromResult<StoreResult<T>>(result);
        }
    }

    private void Expire()
    {
        lock (_gate)
        {
            _state.Expire(Now);
            Arm();
        }
    }

    private void Arm()
    {
        var next = _state.NextEnd is { } end ? TimeSpan.FromMilliseconds(Math.Max(1, end - Now)) : Timeout.InfiniteTimeSpan;
        _timer.Change(next, Timeout.InfiniteTimeSpan);
    }

    private void Publish(long revision, ImmutableArray<StoreEvent> events) => _watches.ForEach(w => w.Offer(revision, events));

    private sealed record Watch(string Prefix, Channel<StoreBatch> Channel)
    {
        public void Offer(long revision, ImmutableArray<StoreEvent> events)
        {
            var mine = events.Where(e => e.Entry.Key.StartsWith(Prefix, StringComparison.Ordinal)).ToImmutableArray();
            if (mine.Length > 0)
            {
                Channel.Writer.TryWrite(new StoreBatch(revision, mine, StoreError.None, null));
            }
        }
    }
}
