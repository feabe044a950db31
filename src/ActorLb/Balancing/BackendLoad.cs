namespace ActorLb.Balancing;

/// <summary>
/// The connections to a backend: this node's, and those that the fleet's other nodes report. A struct within the <see cref="Backend"/>, so
/// that a pick reads it without another indirection. Any thread, without locks.
/// </summary>
internal struct BackendLoad
{
    private int _active;
    private int _proposed;
    private volatile int _remoteActive;
    private volatile int _others;
    private long _connects;
    private long _connectsReported;

    public int Active => Volatile.Read(ref _active);

    public int RemoteActive => _remoteActive;

    public int Total => Active + _remoteActive;

    public long Connects => Interlocked.Read(ref _connects);

    /// <summary>
    /// The total with the connections being placed at this moment. The other nodes' numbers are a moment old, and they see what this node
    /// sees, so each is assumed to have placed as many since then as this node has. Without this every node herds onto one backend and
    /// overshoots.
    /// </summary>
    public long Expected
    {
        get
        {
            int proposed = Volatile.Read(ref _proposed);
            long since = Math.Max(0, Connects - Interlocked.Read(ref _connectsReported)) + proposed;
            return Total + proposed + (_others * since);
        }
    }

    /// <param name="limit">Maximum number of this node's connections; 0 is unlimited.</param>
    public bool TryAcquire(int limit)
    {
        int active = Interlocked.Increment(ref _active);
        if (limit != 0 && active > limit)
        {
            Interlocked.Decrement(ref _active);
            return false;
        }

        Interlocked.Increment(ref _connects);
        return true;
    }

    public void Release() => Interlocked.Decrement(ref _active);

    public void Propose() => Interlocked.Increment(ref _proposed);

    public void Withdraw() => Interlocked.Decrement(ref _proposed);

    public void SetRemote(int connections, int others)
    {
        _remoteActive = Math.Max(0, connections);
        _others = Math.Max(0, others);
        Interlocked.Exchange(ref _connectsReported, Connects);
    }
}
