using System.Runtime.CompilerServices;

namespace ActorLb.Cluster.Etcd;

/// <summary>What changed, in revision order; a revision is never split over two of these.</summary>
/// <param name="Revision">Everything up to and including this revision has been told.</param>
internal readonly record struct EtcdChanges(long Revision, EtcdEvent[] Events);

/// <summary>
/// A watch that outlives its members: when one fails, closes, has no leader or falls silent, it goes on at the next one from
/// the revision after the last one told, so that nothing is lost and nothing repeated.
/// </summary>
internal sealed class EtcdWatcher(EtcdClient client, TimeProvider time)
{
    /// <summary>
    /// How often the watched member is asked for a linearizable read. A quiet watch cannot be told from one on a member
    /// that is stopped or cut off (3.4 sends progress only every 10 minutes), a read can.
    /// </summary>
    public static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Called with each interruption's reason; the watch goes on by itself.</summary>
    public Action<EtcdException>? Interrupted { get; init; }

    /// <summary>Called when a member has accepted the watch.</summary>
    public Action<Uri>? Resumed { get; init; }

    /// <param name="fromRevision">First revision told, at least 1.</param>
    /// <exception cref="EtcdException">
    /// Compacted: the revisions from here on are gone (or the store was wiped): list again and watch from there. AuthFailed or
    /// Rejected: etcd refuses the watch.
    /// </exception>
    public async IAsyncEnumerable<EtcdChanges> WatchAsync(
        byte[] key, byte[] rangeEnd, long fromRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var next = fromRevision;
        var pause = TimeSpan.Zero;
        while (true)
        {
            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, time, cancellationToken);
            }

            pause = pause == TimeSpan.Zero ? FirstPause : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
            var member = client.Endpoints.Pick(0);
            var session = new Session(client, time, member, key, rangeEnd);
            await using (session)
            {
                while (true)
                {
                    EtcdChanges changes;
                    try
                    {
                        changes = await session.NextAsync(next, cancellationToken);
                    }
                    catch (EtcdException e) when (e.Error is EtcdError.Unavailable or EtcdError.Protocol)
                    {
                        client.Endpoints.Failed(member);
                        Interrupted?.Invoke(e);
                        break;
                    }

                    if (changes.Events.Length > 0)
                    {
                        yield return changes;
                    }

                    if (session.JustOpened)
                    {
                        client.Endpoints.Succeeded(member);
                        Resumed?.Invoke(client.Endpoints.Uris[member]);
                        pause = TimeSpan.Zero;
                    }

                    next = Math.Max(next, changes.Revision + 1);
                }
            }
        }
    }

    /// <summary>The watch on one member, with its probe.</summary>
    private sealed class Session(EtcdClient client, TimeProvider time, int member, byte[] key, byte[] rangeEnd) : IAsyncDisposable
    {
        private readonly CancellationTokenSource _silent = new();
        private EtcdWatchStream? _stream;
        private Task<EtcdException?>? _probe;

        public bool JustOpened { get; private set; }

        /// <summary>The next changes; none when the member only told how far it is.</summary>
        public async Task<EtcdChanges> NextAsync(long next, CancellationToken cancellationToken)
        {
            JustOpened = false;
            if (_stream is null)
            {
                var request = new EtcdWatchCreateRequest { Key = key, RangeEnd = rangeEnd, StartRevision = next, ProgressNotify = true };
                _stream = await client.WatchAtAsync(member, request, cancellationToken);
                _probe = ProbeAsync(_silent.Token);
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _silent.Token);
            EtcdWatchResponse message;
            try
            {
                message = await _stream.ReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw await _probe! ?? new EtcdException(EtcdError.Unavailable, $"etcd watch at {Where}: the member fell silent");
            }

            if (message.Canceled)
            {
                throw Cancelled(message, next);
            }

            if (message.Created)
            {
                JustOpened = true;
                if (message.Header.Revision < next - 1)
                {
                    await RequireReachedAsync(next, cancellationToken);
                }

                return new EtcdChanges(next - 1, []);
            }

            // The header tells how far the member is, which with events can be further than they reach.
            return new EtcdChanges(message.Events.Length > 0 ? message.Events[^1].Kv.ModRevision : message.Header.Revision, message.Events);
        }

        public async ValueTask DisposeAsync()
        {
            await _silent.CancelAsync();
            if (_probe is not null)
            {
                await _probe;
            }

            if (_stream is not null)
            {
                await _stream.DisposeAsync();
            }

            _silent.Dispose();
        }

        private string Where => client.Endpoints.Uris[member].Authority;

        /// <summary>
        /// The member is behind what was told before. Either it lags, then a linearizable read makes it catch up; or the store
        /// was wiped or restored and counts its revisions anew: the watch would then stay silent until they get there.
        /// </summary>
        private async Task RequireReachedAsync(long next, CancellationToken cancellationToken)
        {
            var read = await ReadAsync(cancellationToken);
            if (read.Header.Revision < next - 1)
            {
                throw new EtcdException(
                    EtcdError.Compacted,
                    $"etcd watch at {Where}: the store went back from revision {next - 1} to {read.Header.Revision}, it was wiped or restored");
            }
        }

        private EtcdException Cancelled(EtcdWatchResponse message, long next)
        {
            if (message.CompactRevision > 0)
            {
                return new EtcdException(EtcdError.Compacted, $"etcd watch at {Where}: revision {next} was compacted, the oldest is {message.CompactRevision}")
                {
                    CompactRevision = message.CompactRevision,
                };
            }

            var reason = message.CancelReason is { Length: > 0 } given ? given : "cancelled by the member";
            var denied = reason.Contains("permission", StringComparison.OrdinalIgnoreCase);
            return new EtcdException(denied ? EtcdError.AuthFailed : EtcdError.Unavailable, $"etcd watch at {Where}: {reason}");
        }

        private Task<EtcdRangeResponse> ReadAsync(CancellationToken cancellationToken) =>
            client.CallAtAsync(member, EtcdCalls.Range, new EtcdRangeRequest { Key = key, CountOnly = true }, cancellationToken);

        private async Task<EtcdException?> ProbeAsync(CancellationToken cancellationToken)
        {
            try
            {
                while (true)
                {
                    await Task.Delay(ProbeInterval, time, cancellationToken);
                    await ReadAsync(cancellationToken);
                }
            }
            catch (EtcdException e)
            {
                await _silent.CancelAsync();
                return e;
            }
            catch (OperationCanceledException)
            {
                return null;
            }
        }
    }
}
