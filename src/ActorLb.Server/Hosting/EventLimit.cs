using System.Collections.Concurrent;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>
/// Limits every line of the node's log, whatever causes it and whether or not its source limits it too: of one event,
/// <see cref="Lines"/> lines pass within a <see cref="Period"/>; the others are counted, and one line reports their number. Operators'
/// changes are always written, and so are debug and trace lines, which somebody has asked for. Any thread.
/// </summary>
internal sealed partial class EventLimit : IDisposable
{
    public const int Lines = 250;

    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private const int SummaryId = 3050;

    /// <summary>Events tracked separately; the program has fewer, its libraries may have more.</summary>
    private const int MostEvents = 1024;

    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly ConcurrentDictionary<(string Category, int Id), Window> _windows = new();
    private ILogger? _logger;
    private int _isDue;

    public EventLimit(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(static self => ((EventLimit)self!).Report(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Where the numbers are logged.</summary>
    public void Attach(ILogger logger) => _logger = logger;

    /// <summary>Whether to write a line.</summary>
    public bool Admits(LogLevel level, string category, EventId id)
    {
        if (level < LogLevel.Information || id.Id == SummaryId || category == NodeLogging.AuditCategory) return true;
        (string, int) key = (category, id.Id);
        if (!_windows.TryGetValue(key, out var window))
        {
            if (_windows.Count >= MostEvents) key = ("other events", 0);
            window = _windows.GetOrAdd(key, new Window(id.Name));
        }
        if (window.TryTake(_time)) return true;
        LogLimit.CountLeftOut();
        if (Interlocked.Exchange(ref _isDue, 1) == 0) _timer.Change(Period, Timeout.InfiniteTimeSpan);
        return false;
    }

    /// <summary>Logs the counts of lines still held back.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        Report();
    }

    private void Report()
    {
        Interlocked.Exchange(ref _isDue, 0);
        if (_logger is not { } logger) return;
        foreach (((string category, int id), var window) in _windows)
        {
            if (window.TakeLeftOut() is > 0 and var count) Log.LeftOut(logger, category, id, window.Name is { } name ? EventFeed.Word(name) : "-", count);
        }
    }

    /// <param name="name">Of the event.</param>
    private sealed class Window(string? name)
    {
        private readonly Lock _gate = new();
        private long _since;
        private int _taken;
        private long _leftOut;

        public string? Name => name;

        public bool TryTake(TimeProvider time)
        {
            lock (_gate)
            {
                long now = time.GetTimestamp();
                if (_taken == 0 || time.GetElapsedTime(_since, now) >= Period) (_since, _taken) = (now, 0);
                if (_taken < Lines)
                {
                    _taken++;
                    return true;
                }
                _leftOut++;
                return false;
            }
        }

        public long TakeLeftOut()
        {
            lock (_gate)
            {
                long count = _leftOut;
                _leftOut = 0;
                return count;
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(SummaryId, LogLevel.Warning, "{Subject}: {Count} more lines of the event {Number} ({What}) were left out in the last seconds")]
        public static partial void LeftOut(ILogger logger, string subject, int number, string what, long count);
    }
}
