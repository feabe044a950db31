using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>Why the store did not do what it was asked.</summary>
internal enum StoreError
{
    None = 0,

    /// <summary>Not reached, or refused before anything was done. Try again later.</summary>
    Unavailable,

    /// <summary>It may or may not have been done (no leader, time-out after sending). Read again before a retry.</summary>
    OutcomeUnknown,

    /// <summary>The revision asked for is compacted away: range again, then watch from there.</summary>
    Compacted,

    /// <summary>Wrong user, password, certificate or permission: an operator has to act.</summary>
    AuthFailed,
}

/// <summary>A result or an error, with a sentence for people that names the endpoint and never a secret.</summary>
internal readonly record struct StoreResult<T>(T Value, StoreError Error, string? Detail)
{
    public bool IsOk => Error == StoreError.None;

    public static implicit operator StoreResult<T>(T value) => new(value, StoreError.None, null);

    public static StoreResult<T> Fail(StoreError error, string detail) => new(default!, error, detail);
}

/// <param name="Key">Below the configured prefix, without it: <c>nodes/lb-1</c>.</param>
/// <param name="Lease">0 for none.</param>
internal sealed record StoreEntry(string Key, ReadOnlyMemory<byte> Value, long CreateRevision, long ModRevision, long Lease);

/// <param name="Revision">Of the store when it answered; a watch from the next one misses and repeats nothing.</param>
internal sealed record StoreRange(long Revision, ImmutableArray<StoreEntry> Entries);

internal enum CompareTarget { CreateRevision, ModRevision, Value }

/// <summary>A condition of a transaction: equality only. A revision of 0 says that the key does not exist.</summary>
internal sealed record StoreCompare(string Key, CompareTarget Target, long Revision, ReadOnlyMemory<byte> Value)
{
    public static StoreCompare Absent(string key) => new(key, CompareTarget.CreateRevision, 0, default);

    public static StoreCompare Created(string key, long revision) => new(key, CompareTarget.CreateRevision, revision, default);

    public static StoreCompare Unchanged(string key, long modRevision) => new(key, CompareTarget.ModRevision, modRevision, default);

    public static StoreCompare Is(string key, ReadOnlyMemory<byte> value) => new(key, CompareTarget.Value, 0, value);
}

/// <param name="Value">Null deletes the key.</param>
internal sealed record StoreWrite(string Key, ReadOnlyMemory<byte>? Value, long Lease)
{
    public static StoreWrite Put(string key, ReadOnlyMemory<byte> value, long lease = 0) => new(key, value, lease);

    public static StoreWrite Delete(string key) => new(key, null, 0);
}

/// <summary>
/// All writes if all conditions hold, else none. At most 128 conditions and 128 writes, no key written twice. A write under a lease
/// that the store no longer knows fails the whole transaction as an unmet condition does.
/// </summary>
internal sealed record StoreTransaction(ImmutableArray<StoreCompare> If, ImmutableArray<StoreWrite> Then)
{
    /// <summary>etcd's default of <c>--max-txn-ops</c>.</summary>
    public const int MaxOperations = 128;
}

internal readonly record struct StoreCommit(bool Succeeded, long Revision);

/// <param name="Entry">For a delete only key and modification revision are meaningful.</param>
internal sealed record StoreEvent(bool IsDelete, StoreEntry Entry);

/// <summary>What a watch yields: the changes of one or more revisions, or the end of the watch.</summary>
/// <param name="Revision">The highest revision up to which the watch is complete.</param>
/// <param name="Error">
/// None goes on. <see cref="StoreError.Compacted"/>: range again. Any other: the watch ended and may be resumed after
/// <see cref="Revision"/>. After an error nothing follows.
/// </param>
internal sealed record StoreBatch(long Revision, ImmutableArray<StoreEvent> Events, StoreError Error, string? Detail);

/// <summary>
/// The consensus store: etcd, or one in the process. Keys are below a configured prefix that the store adds and removes. Calls may
/// come from any thread; each has a time-out of its own. Faults are values; only cancellation and misuse throw.
/// </summary>
internal interface IClusterStore : IAsyncDisposable
{
    Task<StoreResult<long>> GrantLeaseAsync(TimeSpan ttl, CancellationToken cancellation);

    /// <summary>False when the store no longer knows the lease. Time-out: a third of the lease's life, at most 1 s.</summary>
    Task<StoreResult<bool>> KeepAliveAsync(long lease, CancellationToken cancellation);

    /// <summary>Deletes the lease and every key under it.</summary>
    Task<StoreResult<bool>> RevokeLeaseAsync(long lease, CancellationToken cancellation);

    /// <summary>Every key that begins with the prefix, at one revision, in the order of their bytes. A whole key finds itself too.</summary>
    Task<StoreResult<StoreRange>> RangeAsync(string prefix, CancellationToken cancellation);

    Task<StoreResult<StoreCommit>> CommitAsync(StoreTransaction transaction, CancellationToken cancellation);

    /// <summary>
    /// Changes below the prefix from a revision on (one more than a range's), each once and in order. The store resumes on another member by itself; it ends
    /// with one batch that holds an error when it cannot.
    /// </summary>
    IAsyncEnumerable<StoreBatch> WatchAsync(string prefix, long fromRevision, CancellationToken cancellation);
}
