namespace ActorLb.Balancing;

/// <summary>
/// Passive health: max-fails failures within fail-timeout take a backend out for fail-timeout; after that one connection at a time is
/// tried, until one succeeds. Part of the <see cref="Backend"/>, whose gate guards everything but <see cref="IsTrialDue"/>,
/// <see cref="IsTrialClaimed"/> and <see cref="TryClaim"/>.
/// </summary>
internal struct Outage
{
    private readonly FailureWindow _failures = new();

    // When the next trial is allowed; moved on by claiming it (compare and swap).
    private long _trialAt;

    // Whether a trial was claimed since the last failure. Only then does a success end the outage: an older connection may be answered late.
    private volatile bool _trialClaimed;

    // The last failure of a client's connection: when, and whether the connection had been established.
    private long _failedAt = long.MinValue / 2;
    private bool _failedConnected;

    public Outage()
    {
    }

    public bool IsTrialClaimed => _trialClaimed;

    public bool IsTrialDue(long now) => now >= Interlocked.Read(ref _trialAt);

    /// <returns>Whether the backend is out now.</returns>
    public bool AddFailure(long now, bool connected, int maxFails, long failTimeout, bool isOut)
    {
        _failedAt = now;
        _failedConnected = connected;
        if (!_failures.Add(now, maxFails, failTimeout) && !isOut)
        {
            return false;
        }

        Interlocked.Exchange(ref _trialAt, now + failTimeout);
        _trialClaimed = false;
        return true;
    }

    /// <summary>
    /// Whether a good probe disproves the last failure: it must have begun later and come as far. A probe that only connects proves nothing
    /// about a backend that accepted connections all along, until fail-timeout is over.
    /// </summary>
    public bool IsDisprovedBy(in ProbeReport probe, long now) =>
        probe.Began > _failedAt && (probe.AsClient || !_failedConnected || IsTrialDue(now));

    /// <summary>Claims the trial that is due; false when none is, or when another thread was faster.</summary>
    public bool TryClaim(long now, long failTimeout)
    {
        long seen = Interlocked.Read(ref _trialAt);
        return now >= seen && Interlocked.CompareExchange(ref _trialAt, now + Math.Max(1, failTimeout), seen) == seen;
    }

    public void SetTrialClaimed(bool claimed) => _trialClaimed = claimed;

    public void ForgetFailures() => _failures.Clear();
}
