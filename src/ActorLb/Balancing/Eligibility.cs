namespace ActorLb.Balancing;

/// <summary>
/// What keeps a backend from getting clients, and its slow start after that. Part of the <see cref="Backend"/>, whose gate guards the
/// changes; picks read it without locks.
/// </summary>
internal struct Eligibility(BackendBlocks blocks)
{
    public const BackendBlocks FoundFailing = BackendBlocks.Unhealthy | BackendBlocks.FleetUnhealthy | BackendBlocks.Out;

    /// <summary>These still admit clients that already belong to the backend.</summary>
    public const BackendBlocks ForNewClients = BackendBlocks.Draining | BackendBlocks.DrainingByProbe | BackendBlocks.DrainingByDiscovery;

    private const int FullWeight = 1 << 8;

    // Everything that applies. Under the gate.
    private BackendBlocks _blocks = blocks;

    // The same without what a sole candidate is exempt from.
    private volatile BackendBlocks _effective = blocks;
    private volatile bool _isSole;

    private long _foundFailingAt = long.MinValue / 2;

    // Start of the slow start; -1 for none.
    private long _rampStart = -1;

    public readonly BackendBlocks Effective => _effective;

    public readonly bool IsSole => _isSole;

    public readonly bool Has(BackendBlocks block) => (_blocks & block) != BackendBlocks.None;

    /// <summary>Whether it was found failing less than this many milliseconds ago, and nothing else blocks clients that belong to it.</summary>
    public bool HasGrace(long now, long grace) =>
        (_effective & ~(FoundFailing | ForNewClients)) == BackendBlocks.None && now - Interlocked.Read(ref _foundFailingAt) < grace;

    /// <summary>The weight in 1/256ths, smaller during a slow start but never 0.</summary>
    public long Weight(int weight, TimeSpan slowStart, long now)
    {
        long full = (long)weight * FullWeight;
        long start = Interlocked.Read(ref _rampStart);
        if (start < 0)
        {
            return full;
        }

        long length = (long)slowStart.TotalMilliseconds;
        long elapsed = now - start;
        if (elapsed >= length)
        {
            Interlocked.CompareExchange(ref _rampStart, -1, start);
            return full;
        }

        return Math.Max(1, full * Math.Max(0, elapsed) / length);
    }

    /// <summary>Replaces the bits of <paramref name="which"/>. A backend that becomes fully available again starts slowly.</summary>
    /// <returns>Whether anything changed.</returns>
    public bool Change(BackendBlocks which, BackendBlocks value, bool startsSlowly, long now)
    {
        var before = _blocks;
        _blocks = (before & ~which) | value;
        if ((before & FoundFailing) == BackendBlocks.None && Has(FoundFailing))
        {
            Interlocked.Exchange(ref _foundFailingAt, now);
        }

        bool cameBack = before != BackendBlocks.None && _blocks == BackendBlocks.None && before != BackendBlocks.Unresolved;
        if (cameBack && startsSlowly)
        {
            Interlocked.Exchange(ref _rampStart, now);
        }

        Publish();
        return _blocks != before;
    }

    public void SetSole(bool isSole)
    {
        _isSole = isSole;
        Publish();
    }

    private void Publish() => _effective = _isSole ? _blocks & ~BackendBlocks.Out : _blocks;
}
