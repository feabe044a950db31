using System.Collections.Concurrent;

namespace ActorLb.Fleet.Membership;

/// <summary>Limits log lines that others can cause repeatedly, by kind and period, and counts the suppressed ones.</summary>
internal sealed class LineLimit(TimeProvider time, int lines, TimeSpan period)
{
    /// <summary>A bound, because kinds may contain addresses.</summary>
    private const int MaxKinds = 256;

    private readonly ConcurrentDictionary<string, Window> _windows = new(StringComparer.Ordinal);

    /// <param name="suppressed">Lines of this kind suppressed since the last one.</param>
    public bool TryTake(string kind, out int suppressed)
    {
        if (_windows.Count >= MaxKinds && !_windows.ContainsKey(kind)) kind = "";
        return _windows.GetOrAdd(kind, static _ => new Window()).TryTake(time, lines, period, out suppressed);
    }

    private sealed class Window
    {
        private readonly Lock _gate = new();
        private long _since = long.MinValue;
        private int _taken;
        private int _suppressed;

        public bool TryTake(TimeProvider time, int lines, TimeSpan period, out int suppressed)
        {
            lock (_gate)
            {
                long now = time.GetTimestamp();
                if (_since == long.MinValue || time.GetElapsedTime(_since, now) >= period)
                {
                    _since = now;
                    _taken = 0;
                }
                suppressed = _suppressed;
                if (_taken >= lines)
                {
                    _suppressed++;
                    return false;
                }
                _taken++;
                _suppressed = 0;
                return true;
            }
        }
    }
}
