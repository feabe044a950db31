using System.Collections.Concurrent;

namespace ActorLb.Server.Bench;

/// <summary>Counts by reason, from any thread.</summary>
internal sealed class BenchTally
{
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);
    private int _total;

    public int Total => Volatile.Read(ref _total);

    public void Add(string reason)
    {
        _counts.AddOrUpdate(reason, 1, static (_, count) => count + 1);
        Interlocked.Increment(ref _total);
    }

    /// <summary>Most frequent first.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> Ranked() =>
        [.. _counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal)];
}
