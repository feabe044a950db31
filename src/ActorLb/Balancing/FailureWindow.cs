namespace ActorLb.Balancing;

/// <summary>
/// Counts failures within a sliding window, as NGINX's documentation defines max_fails and fail_timeout: max_fails failures within
/// fail_timeout. Not thread-safe: the backend's gate guards it. Holds at most max_fails times.
/// </summary>
internal sealed class FailureWindow
{
    private readonly Queue<long> _times = new();

    /// <returns>Whether this failure is at least the <paramref name="maxFails"/>th within the window.</returns>
    public bool Add(long now, int maxFails, long window)
    {
        while (_times.TryPeek(out long oldest) && (now - oldest >= window || _times.Count >= maxFails))
        {
            _times.Dequeue();
        }

        _times.Enqueue(now);
        return _times.Count >= maxFails;
    }

    public void Clear() => _times.Clear();
}
