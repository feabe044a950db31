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
    private readonly Pace _tablesAsked = new(50);
    private readonly Pace _tablesSent = new(100);
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

    /// <summary>A table is asked of a peer at once, and again after 50 ms.</summary>
    public bool MayAskTable(ulong epoch, long now) => _tablesAsked.IsDue(epoch, now);

    /// <summary>A table is sent to a peer unasked at once, and again after 100 ms.</summary>
    public bool MaySendTable(ulong epoch, long now) => _tablesSent.IsDue(epoch, now);

    /// <summary>Tables may follow one another faster than one is repeated: while two nodes go by different ones, lookups between them wait.</summary>
    private sealed class Pace(long repeatMilliseconds)
    {
        private readonly Lock _gate = new();
        private ulong _epoch;
        private long _at;

        public bool IsDue(ulong epoch, long now)
        {
            lock (_gate)
            {
                if (epoch <= _epoch && now - _at < repeatMilliseconds)
                {
                    return false;
                }

                _epoch = Math.Max(_epoch, epoch);
                _at = now;
                return true;
            }
        }
    }
}
