using System.Text;
using System.Threading.Channels;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Text;

namespace ActorLb.Telemetry;

/// <summary>
/// A node's events, for operators who watch. Publishing never blocks, so that a reactor can do it: a watcher that is too slow
/// misses events and can see that by their numbers.
/// </summary>
internal sealed class EventFeed(string node, TimeProvider time)
{
    /// <summary>Past events that a new watcher can still get.</summary>
    public const int Kept = 256;

    /// <summary>Maximum number of watchers, since each has a queue.</summary>
    public const int MaxWatchers = 16;

    private const int QueueLength = 1024;

    /// <summary>Longest text of an event: a rejected configuration's errors may be long, and many events are kept.</summary>
    private const int LongestText = 4 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<NodeEvent> _recent = new();
    private readonly List<Channel<NodeEvent>> _watchers = [];
    private long _number;
    private long _missed;

    public long Published
    {
        get
        {
            lock (_gate) return _number;
        }
    }

    /// <summary>Events missed by watchers that were too slow.</summary>
    public long Missed
    {
        get
        {
            lock (_gate) return _missed;
        }
    }

    /// <param name="kind">A stable word in lower case with underscores.</param>
    public void Publish(string kind, string text)
    {
        text = SafeText.Shortened(text, LongestText);
        lock (_gate)
        {
            var made = new NodeEvent(++_number, time.GetUtcNow(), node, kind, text);
            if (_recent.Count == Kept) _recent.Dequeue();
            _recent.Enqueue(made);
            foreach (var watcher in _watchers) _missed += watcher.Writer.TryWrite(made) ? 0 : 1;
        }
    }

    /// <summary>The latest <paramref name="last"/> events, then all new ones. Null when there are too many watchers.</summary>
    public Watch? TryWatch(int last)
    {
        lock (_gate)
        {
            if (_watchers.Count == MaxWatchers) return null;
            var queue = Channel.CreateBounded<NodeEvent>(new BoundedChannelOptions(QueueLength) { SingleReader = true });
            foreach (var old in _recent.TakeLast(last)) queue.Writer.TryWrite(old);
            _watchers.Add(queue);
            return new Watch(this, queue);
        }
    }

    /// <summary>The latest events, oldest first.</summary>
    public NodeEvent[] Newest(int most)
    {
        lock (_gate) return [.. _recent.TakeLast(most)];
    }

    /// <summary>"BackendOut" to "backend_out".</summary>
    public static string Word(string name)
    {
        var word = new StringBuilder(name.Length + 4);
        foreach (char c in name)
        {
            if (char.IsAsciiLetterUpper(c) && word.Length > 0) word.Append('_');
            word.Append(char.ToLowerInvariant(c));
        }
        return word.ToString();
    }

    private void End(Channel<NodeEvent> queue)
    {
        lock (_gate) _watchers.Remove(queue);
    }

    public sealed class Watch(EventFeed feed, Channel<NodeEvent> queue) : IDisposable
    {
        public ChannelReader<NodeEvent> Events => queue.Reader;

        public void Dispose() => feed.End(queue);
    }
}
