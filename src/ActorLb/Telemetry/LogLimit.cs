using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace ActorLb.Telemetry;

/// <summary>
/// Limits log lines that any client can cause: of each subject and reason, one line passes at once, the others
/// within the next <see cref="Interval"/> are counted, and their number is logged at its end. Any thread may call.
/// </summary>
internal sealed partial class LogLimit : IDisposable
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Reasons tracked separately within an interval; further ones are counted together, by subject.</summary>
    private const int MaxReasons = 512;

    private static long s_leftOut;

    private readonly Lock _gate = new();
    private readonly Dictionary<Key, long> _heldBack = [];
    private readonly ILogger _logger;
    private readonly ITimer _timer;

    public LogLimit(ILogger logger, TimeProvider time)
    {
        _logger = logger;
        _timer = time.CreateTimer(static self => ((LogLimit)self!).Report(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Counts a line that was suppressed, here or by another limit.</summary>
    public static void CountLeftOut() => Interlocked.Increment(ref s_leftOut);

    /// <summary>Suppressed lines of this process.</summary>
    public static long LeftOut => Interlocked.Read(ref s_leftOut);

    private readonly record struct Key(LogLevel Level, string Kind, string Name, string Reason);

    /// <summary>Whether to log the line now; otherwise it is counted.</summary>
    /// <param name="kind">What <paramref name="name"/> names: "listener", "pool", "backend".</param>
    /// <param name="reason">One of the program's fixed texts, never a client's bytes.</param>
    public bool Admits(LogLevel level, string kind, string name, string reason)
    {
        if (!_logger.IsEnabled(level)) return false;
        var key = new Key(level, kind, name, reason);
        lock (_gate)
        {
            if (_heldBack.Count >= MaxReasons && !_heldBack.ContainsKey(key)) key = key with { Reason = "other reasons" };
            ref long heldBack = ref CollectionsMarshal.GetValueRefOrAddDefault(_heldBack, key, out bool logged);
            if (logged)
            {
                heldBack++;
                CountLeftOut();
            }
            else if (_heldBack.Count == 1)
            {
                _timer.Change(Interval, Timeout.InfiniteTimeSpan);
            }

            return !logged;
        }
    }

    /// <summary>Logs the counts of lines still held back.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        Report();
    }

    private void Report()
    {
        KeyValuePair<Key, long>[] heldBack;
        lock (_gate)
        {
            heldBack = [.. _heldBack.Where(h => h.Value > 0)];
            _heldBack.Clear();
        }
        foreach ((var key, long count) in heldBack) Log.HeldBack(_logger, key.Level, key.Kind, key.Name, count, key.Reason.Trim());
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 1801, Message = "{Kind} {Name}: {Count} more lines were left out in the last seconds: {Reason}")]
        public static partial void HeldBack(ILogger logger, LogLevel level, string kind, string name, long count, string reason);
    }
}
