using System.Threading.Channels;
using ActorLb.Supervision;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet;

/// <summary>
/// A bounded mailbox with one reader. State in a derived class belongs to the loop: only <see cref="HandleAsync"/> and the other
/// hooks touch it. An exception out of a hook is logged; the actor goes on after a back-off, with <see cref="RestartAsync"/> called
/// first so that it can bring its state in order.
/// </summary>
/// <remarks>The channel is long-lived; a restart loses no queued message but the one that failed, whose waiter is told.</remarks>
internal abstract partial class Actor<T> : IAsyncDisposable
    where T : notnull
{
    /// <summary>Messages handled between two calls of <see cref="IdleAsync"/> under load.</summary>
    private const int BatchSize = 64;

    private readonly Channel<T> _mailbox;
    private readonly FullMailbox _whenFull;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Backoff _backoff;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lifeGate = new();
    private Task? _loop;
    private bool _stopRequested;
    private long _drops;
    private long _restarts;

    /// <param name="capacity">Messages held at most.</param>
    protected Actor(string name, int capacity, FullMailbox whenFull, TimeProvider time, ILogger logger, Random? random = null)
    {
        Name = name;
        _whenFull = whenFull;
        _time = time;
        _logger = logger;
        _backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10), random ?? Random.Shared);
        _mailbox = Channel.CreateBounded<T>(new BoundedChannelOptions(capacity)
        {
            SingleReader = true,
            FullMode = BoundedChannelFullMode.Wait,
            AllowSynchronousContinuations = false,
        });
    }

    public string Name { get; }

    public int QueueLength => _mailbox.Reader.Count;

    /// <summary>Messages refused or left unhandled at the stop.</summary>
    public long Drops => Interlocked.Read(ref _drops);

    public long Restarts => Interlocked.Read(ref _restarts);

    /// <summary>Cancelled when the actor stops; work that it started ends with it.</summary>
    protected CancellationToken Stopping => _stopping.Token;

    /// <summary>Starts the loop. Once only.</summary>
    public void Start()
    {
        lock (_lifeGate)
        {
            if (_loop is not null || _stopRequested)
            {
                throw new InvalidOperationException($"Actor {Name} was started before or has stopped.");
            }

            _loop = Task.Run(RunAsync);
        }
    }

    /// <returns>False when the mailbox is full or the actor stops; then the drop is counted and the waiter has failed.</returns>
    public bool TryPost(T message)
    {
        if (_mailbox.Writer.TryWrite(message))
        {
            return true;
        }

        Drop(message, _stopping.IsCancellationRequested ? "has stopped" : "has a full mailbox");
        return false;
    }

    /// <summary>Posts, waiting for room where the actor's rule says so.</summary>
    /// <returns>As <see cref="TryPost"/>.</returns>
    public async ValueTask<bool> PostAsync(T message, CancellationToken cancellationToken)
    {
        if (_whenFull == FullMailbox.Refuse)
        {
            return TryPost(message);
        }

        try
        {
            await _mailbox.Writer.WriteAsync(message, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ChannelClosedException)
        {
            Drop(message, "has stopped");
            return false;
        }
        catch (OperationCanceledException)
        {
            Drop(message, "had no room in time");
            throw;
        }
    }

    /// <summary>Refuses new messages, lets the one at hand end, fails the waiters of the rest. Safe to call again.</summary>
    public async Task StopAsync()
    {
        Task? loop;
        bool first;
        lock (_lifeGate)
        {
            first = !_stopRequested;
            _stopRequested = true;
            _mailbox.Writer.TryComplete();
            loop = _loop ??= Task.Run(CloseAsync);
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await loop.ConfigureAwait(false);
        if (first)
        {
            Log.Stopped(_logger, Name);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _stopping.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Once, before the first message.</summary>
    protected virtual ValueTask StartedAsync() => ValueTask.CompletedTask;

    protected abstract ValueTask HandleAsync(T message);

    /// <summary>The mailbox is empty or a batch is done: the place to publish a snapshot or to flush.</summary>
    protected virtual ValueTask IdleAsync() => ValueTask.CompletedTask;

    /// <summary>After a failure and its back-off.</summary>
    protected virtual ValueTask RestartAsync() => ValueTask.CompletedTask;

    /// <summary>Once, after the last message: the place to await what the actor started.</summary>
    protected virtual ValueTask StoppedAsync() => ValueTask.CompletedTask;

    private async Task RunAsync()
    {
        Func<ValueTask> enter = StartedAsync;
        while (!Stopping.IsCancellationRequested)
        {
            try
            {
                await enter().ConfigureAwait(false);
                await ReadAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                Interlocked.Increment(ref _restarts);
                TimeSpan delay = _backoff.Next();
                Log.Failed(_logger, e, Name, delay);
                await Task.Delay(delay, _time, Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                enter = RestartAsync;
            }
        }

        await CloseAsync().ConfigureAwait(false);
    }

    private async ValueTask ReadAsync()
    {
        while (await _mailbox.Reader.WaitToReadAsync(Stopping).ConfigureAwait(false))
        {
            for (int i = 0; i < BatchSize && !Stopping.IsCancellationRequested && _mailbox.Reader.TryRead(out T? message); i++)
            {
                try
                {
                    await HandleAsync(message).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    (message as IAwaitedMessage)?.Fail(e);
                    throw;
                }
            }

            await IdleAsync().ConfigureAwait(false);
            _backoff.Reset();
        }
    }

    private async Task CloseAsync()
    {
        while (_mailbox.Reader.TryRead(out T? message))
        {
            Drop(message, "has stopped");
        }

        try
        {
            await StoppedAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Log.FailedAtStop(_logger, e, Name);
        }
    }

    private void Drop(T message, string why)
    {
        Interlocked.Increment(ref _drops);
        (message as IAwaitedMessage)?.Fail(new MailboxException($"Actor {Name} {why}."));
    }

    private static partial class Log
    {
        [LoggerMessage(1701, LogLevel.Error, "Actor {Name} failed; it goes on in {Delay}.")]
        public static partial void Failed(ILogger logger, Exception exception, string name, TimeSpan delay);

        [LoggerMessage(1702, LogLevel.Error, "Actor {Name} failed while stopping.")]
        public static partial void FailedAtStop(ILogger logger, Exception exception, string name);

        [LoggerMessage(1703, LogLevel.Debug, "Actor {Name} stopped.")]
        public static partial void Stopped(ILogger logger, string name);
    }
}
