using System.Threading.Channels;
using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Logging;

namespace ActorLb.Telemetry;

/// <summary>
/// One line per connection, written when it ends, by a separate thread, so that no reactor waits for a disk or for the reader of a pipe.
/// Lines that cannot be written wait, up to <see cref="Capacity"/> lines and <see cref="MostBytes"/> of client ids; further ones are
/// lost and counted. Problems are logged and writing is retried, so that a log recovers when its disk, directory or reader does.
/// </summary>
internal sealed class AccessLog : IAsyncDisposable
{
    public const int Capacity = 65_536;
    public const long MostBytes = 16 << 20;

    /// <summary>How long the first open may take, and how long the end waits for the remaining lines.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Channel<AccessLogEntry> _entries = System.Threading.Channels.Channel.CreateBounded<AccessLogEntry>(
        new BoundedChannelOptions(Capacity) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    private readonly ManualResetEventSlim _wake = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LogFormat _format;
    private readonly TimeProvider _time;
    private readonly AccessLogCounters _counters;
    private readonly AccessLogWriter _writer;

    // Bytes of waiting client ids; approximate, since an entry is counted a moment after it is queued.
    private long _waitingBytes;
    private volatile bool _reopen;
    private volatile bool _closing;
    private volatile bool _abandoned;

    private AccessLog(string path, LogFormat format, TimeProvider time, AccessLogCounters counters, ILogger logger)
    {
        Path = path;
        _format = format;
        _time = time;
        _counters = counters;
        _writer = new AccessLogWriter(path, counters, logger);
    }

    /// <summary>A file name, or "stdout".</summary>
    public string Path { get; }

    /// <summary>Whether the log cannot be written at the moment.</summary>
    public bool IsFailing => _writer.Cause is not null;

    /// <summary>Opens the file for appending. A pipe may get its reader later.</summary>
    /// <exception cref="IOException">The file cannot be opened; the message names it.</exception>
    public static async Task<AccessLog> OpenAsync(string path, LogFormat format, TimeProvider time, AccessLogCounters counters, ILogger logger)
    {
        var log = new AccessLog(path, format, time, counters, logger);
        var opened = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() => log.Run(opened)) { IsBackground = true, Name = "access log" }.Start();
        string? problem;
        try
        {
            problem = await opened.Task.WaitAsync(Patience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            problem = $"it could not be opened within {Patience.TotalSeconds} s";
            log._abandoned = true;
        }
        return problem is null ? log : throw new IOException($"log.access {path}: {problem}");
    }

    /// <summary>Reopens the file, for log rotation.</summary>
    public void Reopen()
    {
        _reopen = true;
        _wake.Set();
    }

    /// <summary>From a reactor: never waits.</summary>
    public void Write(Session session, CloseReason reason, long now)
    {
        var entry = new AccessLogEntry(
            _time.GetUtcNow(), now - session.AcceptedAt, session.EstablishedAt == 0 ? -1 : session.EstablishedAt - session.AcceptedAt,
            session.Listener.Name, session.Remote, session.Version, session.ClientId, session.Pool.Name, session.Dialled?.Id,
            session.BytesFromClient, session.BytesFromBackend, session.PacketsFromClient, session.PacketsFromBackend, reason);
        if (Interlocked.Read(ref _waitingBytes) > MostBytes || !_entries.Writer.TryWrite(entry))
        {
            _counters.Lost(_writer.Cause ?? AccessLogCause.Slow, 1);
            return;
        }
        Interlocked.Add(ref _waitingBytes, entry.ClientId?.Length ?? 0);
        if (!_wake.IsSet) _wake.Set();
    }

    /// <summary>Writes the waiting lines if that is possible within a few seconds; never throws.</summary>
    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        _closing = true;
        _wake.Set();
        if (await Task.WhenAny(_ended.Task, Task.Delay(Patience)).ConfigureAwait(false) == _ended.Task) return;
        // Its thread is blocked by a disk, which nothing can end.
        _abandoned = true;
        _writer.GiveUp(_entries.Reader.Count);
    }

    private void Run(TaskCompletionSource<string?> opened)
    {
        try
        {
            string? problem = _writer.TryOpenFirst();
            if (!opened.TrySetResult(problem) || problem is not null) return;
            while (!_abandoned && Step())
            {
            }
            if (!_abandoned) _writer.GiveUp(_entries.Reader.Count);
        }
        finally
        {
            _writer.Dispose();
            _ended.TrySetResult();
        }
    }

    /// <summary>Writes some lines, or waits; false when there is nothing left to do.</summary>
    private bool Step()
    {
        if (_reopen)
        {
            _reopen = false;
            _writer.Reopen();
        }
        _wake.Reset();
        Fill();
        if (_writer.HasLines)
        {
            if (_writer.TryFlush()) return true;
            if (_closing) return false;
        }
        else if (_closing && _entries.Reader.Count == 0)
        {
            return false;
        }
        else if (_writer.IsMissing)
        {
            _writer.TryOpen();
        }
        // A failure is retried after a while, however many lines arrive meanwhile.
        if (IsFailing) WaitForRetry();
        else if (!_reopen && !_closing) _wake.Wait(AccessLogWriter.Retry);
        return true;
    }

    private void WaitForRetry()
    {
        long until = Environment.TickCount64 + (long)AccessLogWriter.Retry.TotalMilliseconds;
        for (long left; !_reopen && !_closing && (left = until - Environment.TickCount64) > 0;)
        {
            _wake.Reset();
            if (!_reopen && !_closing) _wake.Wait((int)Math.Min(left, 100));
        }
    }

    private void Fill()
    {
        while (_writer.HasRoom && _entries.Reader.TryRead(out var entry))
        {
            Interlocked.Add(ref _waitingBytes, -(entry.ClientId?.Length ?? 0));
            _writer.Append(entry, _format);
        }
    }
}
