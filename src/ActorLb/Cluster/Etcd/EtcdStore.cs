using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using ActorLb.Configuration;
using Microsoft.Extensions.Logging;

namespace ActorLb.Cluster.Etcd;

/// <summary>The fleet's store on an etcd cluster.</summary>
internal sealed partial class EtcdStore : IClusterStore
{
    /// <summary>Longest wait for a renewal; see <see cref="IClusterStore.KeepAliveAsync"/>.</summary>
    private static readonly TimeSpan LongestKeepAlive = TimeSpan.FromSeconds(1);

    private readonly EtcdClient _client;
    private readonly EtcdKeys _keys;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly EtcdCall<EtcdLeaseRequest, EtcdStreamLine<EtcdLeaseKeepAliveResponse>> _keepAlive;
    private volatile string? _lastError;

    /// <exception cref="InvalidOperationException">A certificate file is missing or unusable.</exception>
    public EtcdStore(EtcdOptions options, TimeProvider time, Random random, ILogger<EtcdStore> logger)
    {
        _client = new EtcdClient(options, time, random);
        _keys = new EtcdKeys(options.Prefix);
        _time = time;
        _logger = logger;
        var third = options.LeaseTtl / 3;
        _keepAlive = EtcdCalls.LeaseKeepAlive with { Timeout = third < LongestKeepAlive ? third : LongestKeepAlive };
    }

    /// <summary>Null while the last call or watch went well, else its error, for status pages.</summary>
    public string? LastError => _lastError;

    public Task<StoreResult<long>> GrantLeaseAsync(TimeSpan ttl, CancellationToken cancellation) =>
        Try(async () => (await _client.LeaseGrantAsync((long)Math.Ceiling(ttl.TotalSeconds), cancellation)).Id);

    public Task<StoreResult<bool>> KeepAliveAsync(long lease, CancellationToken cancellation) =>
        Try(async () => (await _client.CallAsync(_keepAlive, new EtcdLeaseRequest { Id = lease }, cancellation)).Result is { Ttl: > 0 });

    public Task<StoreResult<bool>> RevokeLeaseAsync(long lease, CancellationToken cancellation) =>
        Try(() => _client.LeaseRevokeAsync(lease, cancellation));

    public Task<StoreResult<StoreRange>> RangeAsync(string prefix, CancellationToken cancellation) =>
        Try(async () =>
        {
            var key = _keys.ToEtcd(prefix);
            var answer = await _client.RangeAsync(new EtcdRangeRequest { Key = key, RangeEnd = EtcdKeys.EndOf(key) }, cancellation);
            return new StoreRange(answer.Header.Revision, [.. answer.Kvs.Select(Entry)]);
        });

    public Task<StoreResult<StoreCommit>> CommitAsync(StoreTransaction transaction, CancellationToken cancellation)
    {
        if (transaction.If.Length > StoreTransaction.MaxOperations || transaction.Then.Length > StoreTransaction.MaxOperations)
        {
            throw new ArgumentException($"More than {StoreTransaction.MaxOperations} operations in a transaction.", nameof(transaction));
        }

        if (transaction.Then.DistinctBy(w => w.Key).Count() != transaction.Then.Length)
        {
            throw new ArgumentException("A key is written twice in one transaction.", nameof(transaction));
        }

        var request = new EtcdTxnRequest { Compare = [.. transaction.If.Select(Compare)], Success = [.. transaction.Then.Select(Write)] };
        return Try(async () =>
        {
            try
            {
                var answer = await _client.TxnAsync(request, cancellation);
                return new StoreCommit(answer.Succeeded, answer.Header.Revision);
            }
            catch (EtcdException e) when (e.Error == EtcdError.LeaseNotFound)
            {
                // Nothing was written; the refusal does not tell the revision that the contract promises.
                var read = await _client.RangeAsync(new EtcdRangeRequest { Key = _keys.ToEtcd(""), CountOnly = true }, cancellation);
                return new StoreCommit(false, read.Header.Revision);
            }
        });
    }

    public async IAsyncEnumerable<StoreBatch> WatchAsync(
        string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var watcher = new EtcdWatcher(_client, _time)
        {
            Interrupted = e =>
            {
                _lastError = e.Message;
                Log.WatchInterrupted(_logger, prefix, e.Message);
            },
            Resumed = member =>
            {
                _lastError = null;
                Log.WatchOpened(_logger, prefix, member.Authority);
            },
        };
        var key = _keys.ToEtcd(prefix);
        var revision = fromRevision - 1;
        await using var changes = watcher.WatchAsync(key, EtcdKeys.EndOf(key), fromRevision, cancellation).GetAsyncEnumerator(cancellation);
        while (true)
        {
            StoreBatch batch;
            try
            {
                if (!await changes.MoveNextAsync())
                {
                    yield break;
                }

                revision = changes.Current.Revision;
                batch = new StoreBatch(revision, [.. changes.Current.Events.Select(Event)], StoreError.None, null);
            }
            catch (EtcdException e)
            {
                batch = new StoreBatch(revision, [], ErrorOf(e.Error), Note(e));
            }

            yield return batch;
            if (batch.Error != StoreError.None)
            {
                yield break;
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private static StoreError ErrorOf(EtcdError error) => error switch
    {
        EtcdError.OutcomeUnknown => StoreError.OutcomeUnknown,
        EtcdError.Compacted => StoreError.Compacted,
        EtcdError.AuthFailed => StoreError.AuthFailed,
        _ => StoreError.Unavailable,
    };

    private EtcdCompare Compare(StoreCompare compare)
    {
        var key = _keys.ToEtcd(compare.Key);
        return compare.Target switch
        {
            CompareTarget.CreateRevision => new() { Key = key, Result = "EQUAL", Target = "CREATE", CreateRevision = compare.Revision },
            CompareTarget.ModRevision => new() { Key = key, Result = "EQUAL", Target = "MOD", ModRevision = compare.Revision },
            _ => new() { Key = key, Result = "EQUAL", Target = "VALUE", Value = compare.Value.ToArray() },
        };
    }

    private EtcdRequestOp Write(StoreWrite write)
    {
        var key = _keys.ToEtcd(write.Key);
        return write.Value is { } value
            ? new() { RequestPut = new() { Key = key, Value = value.ToArray(), Lease = write.Lease } }
            : new() { RequestDeleteRange = new() { Key = key } };
    }

    private StoreEntry Entry(EtcdKeyValue kv) => new(_keys.FromEtcd(kv.Key), kv.Value, kv.CreateRevision, kv.ModRevision, kv.Lease);

    private StoreEvent Event(EtcdEvent e) => new(e.IsDelete, Entry(e.Kv));

    private async Task<StoreResult<T>> Try<T>(Func<Task<T>> call)
    {
        try
        {
            var value = await call();
            _lastError = null;
            return value;
        }
        catch (EtcdException e)
        {
            return StoreResult<T>.Fail(ErrorOf(e.Error), Note(e));
        }
    }

    private string Note(EtcdException e)
    {
        _lastError = e.Message;
        return e.Message;
    }

    private static partial class Log
    {
        [LoggerMessage(3100, LogLevel.Warning, "Watch of {Prefix} interrupted, going on: {Reason}")]
        public static partial void WatchInterrupted(ILogger logger, string prefix, string reason);

        [LoggerMessage(3101, LogLevel.Debug, "Watch of {Prefix} open at {Endpoint}")]
        public static partial void WatchOpened(ILogger logger, string prefix, string endpoint);
    }
}

/// <summary>Where the fleet's keys are in etcd: below the configured prefix and a slash.</summary>
internal sealed class EtcdKeys(string prefix)
{
    private readonly byte[] _prefix = Encoding.UTF8.GetBytes(prefix.EndsWith('/') ? prefix : prefix + "/");

    public byte[] ToEtcd(string key) => [.. _prefix, .. Encoding.UTF8.GetBytes(key)];

    public string FromEtcd(byte[] key) => Encoding.UTF8.GetString(key.AsSpan(Math.Min(_prefix.Length, key.Length)));

    /// <summary>The first key behind all that begin with these bytes (etcd's range_end).</summary>
    public static byte[] EndOf(byte[] key)
    {
        for (var i = key.Length - 1; i >= 0; i--)
        {
            if (key[i] < 0xFF)
            {
                byte[] end = [.. key.AsSpan(0, i + 1)];
                end[i]++;
                return end;
            }
        }

        // Nothing is behind: "to the end of the keys".
        return [0];
    }
}
