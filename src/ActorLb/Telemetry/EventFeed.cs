using System.Text;
using System.Threading.Channels;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Text;

namespace ActorLb.Telemetry;

/// <summary>
/// What happens on a node, for operators who watch. Publishing never waits, so that a reactor may do it: a watcher that is too slow
/// misses events and sees that by their numbers.
/// </summary>
internal sealed class EventFeed(string node, TimeProvider time)
{
    /// <summary>Events that a new watcher may still hear of.</summary>
    public const int Kept = 256;

    /// <summary>Watchers at once: each holds a queue.</summary>
    public const int MaxWatchers = 16;

    private const int QueueLength = 1024;

    /// <summary>Of an event's text: what a rejected configuration has to say may be long, and many are kept.</summary>
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

    /// <summary>By watchers that were too slow.</summary>
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
            foreach (Channel<NodeEvent> watcher in _watchers) _missed += watcher.Writer.TryWrite(made) ? 0 : 1;
        }
    }

    /// <summary>The newest <paramref name="last"/> events, then all that come. Null when too many watch already.</summary>
    public Watch? TryWatch(int last)
    {
        lock (_gate)
        {
            if (_watchers.Count == MaxWatchers) return null;
            Channel<NodeEvent> queue = Channel.CreateBounded<NodeEvent>(new BoundedChannelOptions(QueueLength) { SingleReader = true });
            foreach (NodeEvent old in _recent.TakeLast(last)) queue.Writer.TryWrite(old);
            _watchers.Add(queue);
            return new Watch(this, queue);
        }
    }

    /// <summary>The newest events, the newest last.</summary>
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
