using ActorLb.Cluster;

namespace ActorLb.Sticky;

/// <summary>What the region knows of one peer beside its link. Any thread.</summary>
internal sealed class PeerCalls(PeerId id, IPeerLink link)
{
    /// <summary>Calls outstanding to one peer; more fall back at once.</summary>
    public const int MaxInFlight = 8192;

    /// <summary>A peer that owes an answer for so long and sent nothing at all is asked no more until it speaks.</summary>
    private const long SilentMilliseconds = 150;

    /// <summary>A silent peer is asked again that often, or one would never learn that it is back.</summary>
    private const long TrialMilliseconds = 50;

    private long _owesSince;
    private long _trialAt;
    private long _tableAskedAt = long.MinValue / 2;
    private long _tableSentAt = long.MinValue / 2;
    private int _inFlight;

    public PeerId Id => id;

    public IPeerLink Link => link;

    public int InFlight => Volatile.Read(ref _inFlight);

    public void OnFrame() => Volatile.Write(ref _owesSince, 0);

    public bool IsSilent(long now)
    {
        if (!link.IsUp)
        {
            return true;
        }

        var since = Volatile.Read(ref _owesSince);
        return since != 0 && now - since > SilentMilliseconds;
    }

    /// <summary>Whether a call may be sent; a silent peer gets one now and then.</summary>
    public bool TryBegin(long now)
    {
        if (IsSilent(now))
        {
            var trial = Volatile.Read(ref _trialAt);
            if (!link.IsUp || now - trial < TrialMilliseconds || Interlocked.CompareExchange(ref _trialAt, now, trial) != trial)
            {
                return false;
            }
        }

        if (Interlocked.Increment(ref _inFlight) > MaxInFlight)
        {
            Interlocked.Decrement(ref _inFlight);
            return false;
        }

        Interlocked.CompareExchange(ref _owesSince, Math.Max(1, now), 0);
        return true;
    }

    public void End() => Interlocked.Decrement(ref _inFlight);

    /// <summary>At most one table asked of a peer in 50 ms.</summary>
    public bool MayAskTable(long now) => IsDue(ref _tableAskedAt, now, 50);

    /// <summary>At most one table sent to a peer unasked in 100 ms.</summary>
    public bool MaySendTable(long now) => IsDue(ref _tableSentAt, now, 100);

    private static bool IsDue(ref long at, long now, long pause)
    {
        var last = Volatile.Read(ref at);
        return now - last >= pause && Interlocked.CompareExchange(ref at, now, last) == last;
    }
}
