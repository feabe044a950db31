using ActorLb.Telemetry;

namespace ActorLb.Balancing;

/// <param name="At">When it failed.</param>
/// <param name="Text">Why, for people.</param>
internal sealed record BackendError(DateTimeOffset At, string Text);

/// <param name="At">When the probe ended.</param>
/// <param name="Alive">Null when this node could not probe, so that nothing is known about the backend.</param>
/// <param name="Reason">Why it failed; null for a good one.</param>
internal sealed record BackendProbe(DateTimeOffset At, bool? Alive, TimeSpan Took, string? Reason);

/// <summary>Why a session of a backend ended other than by its client.</summary>
internal enum SessionLoss { Closed, Reset, Down }

/// <summary>What happened to a backend lately, for display only: no decision depends on it. Any thread,
/// except <see cref="Probed"/>: one at a time.</summary>
internal sealed class BackendHistory(TimeProvider time)
{
    private static readonly int Kinds = Enum.GetValues<SessionLoss>().Length;

    private readonly long[] _lost = new long[Kinds];
    private long _sinceTicks = time.GetUtcNow().UtcTicks;
    private long _lostBefore;
    private long _nextProbeTicks;
    private volatile BackendError? _lastError;
    private volatile BackendProbe? _lastProbe;

    /// <summary>When it came into its current state.</summary>
    public DateTimeOffset Since => new(Interlocked.Read(ref _sinceTicks), TimeSpan.Zero);

    public BackendError? LastError => _lastError;

    public BackendProbe? LastProbe => _lastProbe;

    /// <summary>Null when it is not probed, or is being probed right now.</summary>
    public DateTimeOffset? NextProbe => Interlocked.Read(ref _nextProbeTicks) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>How long its probes took. Written by the pool's actor.</summary>
    public Histogram ProbeTime { get; } = new();

    /// <summary>Sessions that it has ended since <see cref="Since"/>.</summary>
    public long LostSince => Math.Max(0, AllLost - Interlocked.Read(ref _lostBefore));

    public long Lost(SessionLoss loss) => Interlocked.Read(ref _lost[(int)loss]);

    public void Changed()
    {
        Interlocked.Exchange(ref _sinceTicks, time.GetUtcNow().UtcTicks);
        Interlocked.Exchange(ref _lostBefore, AllLost);
    }

    public void Failed(string reason) => _lastError = new BackendError(time.GetUtcNow(), reason);

    public void Probed(BackendProbe probe)
    {
        _lastProbe = probe;
        if (probe.Alive is not null) ProbeTime.Record(probe.Took.TotalSeconds);
        if (probe.Alive == false) Failed($"probe: {probe.Reason}");
    }

    /// <param name="at">Null when no probe is due.</param>
    public void ProbeDue(DateTimeOffset? at) => Interlocked.Exchange(ref _nextProbeTicks, at?.UtcTicks ?? 0);

    public void SessionLost(SessionLoss loss) => Interlocked.Increment(ref _lost[(int)loss]);

    private long AllLost
    {
        get
        {
            long all = 0;
            for (int i = 0; i < Kinds; i++) all += Interlocked.Read(ref _lost[i]);
            return all;
        }
    }
}
