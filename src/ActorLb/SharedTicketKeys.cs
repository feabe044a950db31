using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Cluster;
using ActorLb.Native.OpenSsl;
using Microsoft.Extensions.Logging;

namespace ActorLb;

/// <summary>
/// The TLS session ticket keys that all nodes of a fleet share, so that a client resumes through any of them. They live in the
/// cluster's store, under the peers' secret where there is one. Whichever node finds them old first replaces them: the newest
/// encrypts, the two before still decrypt. Ages are each node's own monotonic time since it first saw the keys.
/// </summary>
internal sealed partial class SharedTicketKeys(IClusterStore store, byte[]? secret, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const string Key = "tickets";
    private const int Kept = 3;
    private const int NonceSize = 12, TagSize = 16; // AES-GCM, NIST SP 800-38D, 5.2.1.1

    private static readonly TimeSpan RotateAfter = TimeSpan.FromHours(4);
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly byte[]? _sealingKey = secret is null ? null : HMACSHA256.HashData(secret, "actorlb ticket keys"u8);
    private Task _running = Task.CompletedTask;
    private long _seenRevision;
    private long _seenAt;
    private string? _lastProblem;

    /// <summary>The keys in force; empty until the store gave some.</summary>
    public ImmutableArray<TicketKey> Current { get; private set; } = [];

    /// <summary>Hears of new keys, on a thread of the pool.</summary>
    public Action<ImmutableArray<TicketKey>>? Changed { get; set; }

    public void Start() => _running = RunAsync();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            do
            {
                await LookAsync(_stop.Token).ConfigureAwait(false);
            }
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
    }

    /// <summary>Takes over what the store has, and replaces it when it is missing, unreadable or old.</summary>
    private async Task LookAsync(CancellationToken cancellation)
    {
        var range = await store.RangeAsync(Key, cancellation).ConfigureAwait(false);
        if (!range.IsOk) return; // the keys in force stay
        StoreEntry? entry = range.Value.Entries.FirstOrDefault(e => e.Key == Key);
        if (entry is null)
        {
            await ReplaceAsync(null, [], cancellation).ConfigureAwait(false);
            return;
        }
        if (entry.ModRevision != _seenRevision)
        {
            _seenRevision = entry.ModRevision;
            _seenAt = time.GetTimestamp();
            if (Open(entry.Value.Span) is not { } bytes)
            {
                Tell("the shared TLS ticket keys cannot be read; they are replaced");
                await ReplaceAsync(entry, [], cancellation).ConfigureAwait(false);
                return;
            }
            Current = TicketKey.Parse(bytes);
            Changed?.Invoke(Current);
        }
        else if (time.GetElapsedTime(_seenAt) >= RotateAfter)
        {
            await ReplaceAsync(entry, Current, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Compare and swap: of nodes that try at once one wins, and the others take its keys at their next look.</summary>
    private async Task ReplaceAsync(StoreEntry? old, ImmutableArray<TicketKey> known, CancellationToken cancellation)
    {
        byte[] keys = [.. TicketKey.CreateRandom().Bytes, .. known.Take(Kept - 1).SelectMany(k => k.Bytes.ToArray())];
        StoreCompare condition = old is null ? StoreCompare.Absent(Key) : StoreCompare.Unchanged(Key, old.ModRevision);
        await store.CommitAsync(new StoreTransaction([condition], [StoreWrite.Put(Key, Seal(keys))]), cancellation).ConfigureAwait(false);
        var range = await store.RangeAsync(Key, cancellation).ConfigureAwait(false);
        if (range.IsOk && range.Value.Entries.FirstOrDefault(e => e.Key == Key) is { } now && Open(now.Value.Span) is { } bytes)
        {
            _seenRevision = now.ModRevision;
            _seenAt = time.GetTimestamp();
            Current = TicketKey.Parse(bytes);
            Changed?.Invoke(Current);
        }
    }

    private byte[] Seal(byte[] keys)
    {
        if (_sealingKey is null) return keys;
        byte[] result = new byte[NonceSize + keys.Length + TagSize];
        RandomNumberGenerator.Fill(result.AsSpan(0, NonceSize));
        using var gcm = new AesGcm(_sealingKey, TagSize);
        gcm.Encrypt(
            result.AsSpan(0, NonceSize), keys, result.AsSpan(NonceSize, keys.Length), result.AsSpan(NonceSize + keys.Length));
        return result;
    }

    /// <summary>Null when it is not what <see cref="Seal"/> wrote under this secret.</summary>
    private byte[]? Open(ReadOnlySpan<byte> stored)
    {
        byte[] keys;
        if (_sealingKey is null)
        {
            keys = stored.ToArray();
        }
        else
        {
            if (stored.Length <= NonceSize + TagSize) return null;
            keys = new byte[stored.Length - NonceSize - TagSize];
            try
            {
                using var gcm = new AesGcm(_sealingKey, TagSize);
                gcm.Decrypt(stored[..NonceSize], stored.Slice(NonceSize, keys.Length), stored[^TagSize..], keys);
            }
            catch (AuthenticationTagMismatchException)
            {
                return null;
            }
        }
        return TicketKey.Parse(keys).IsEmpty ? null : keys;
    }

    private void Tell(string problem)
    {
        if (_lastProblem == problem) return;
        _lastProblem = problem;
        Log.Problem(logger, problem);
    }

    private static partial class Log
    {
        [LoggerMessage(2101, LogLevel.Warning, "{Problem}")]
        public static partial void Problem(ILogger logger, string problem);
    }
}
