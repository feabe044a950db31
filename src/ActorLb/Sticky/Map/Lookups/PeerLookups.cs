
namespace ActorLb.Sticky.Map.Lookups;

/// <summary>
/// The lookups that one peer is to answer. One batch is under way; what comes meanwhile gathers and leaves with its answer, so that the
/// busier the nodes are, the less a lookup costs. Any thread.
/// </summary>
internal sealed class PeerLookups(PeerId id, MapContext context, PendingCalls calls)
{
    /// <summary>Calls outstanding to one peer; more fall back at once.</summary>
    public const int MaxInFlight = 8192;

    /// <summary>A batch that is out for so long holds up the next one no more.</summary>
    public const long OverdueMilliseconds = 25;

    /// <summary>A peer that owes an answer for so long and sent nothing at all is asked no more until it speaks.</summary>
    private const long SilentMilliseconds = 150;

    /// <summary>A silent peer is asked again that often, or one would never learn that it is back.</summary>
    private const long TrialMilliseconds = 50;

    private const long RequestMilliseconds = 50;
    private const long CorrectMilliseconds = 100;

    private readonly Lock _gate = new();

    // Guarded by the lock; the count is read without it as a hint.
    private LookupRequest[] _gathered = new LookupRequest[16];
    private int _count;
    private ulong _number;
    private bool _isOut;
    private long _sentAt;
    private ulong _corrected;
    private long _correctedAt = long.MinValue / 2;

    private long _requestedAt = long.MinValue / 2;
    private long _owesSince;
    private long _trialAt;
    private int _inFlight;
    private volatile bool _isReachable = true;

    public PeerId Id => id;

    public bool IsReachable
    {
        get => _isReachable;
        set => _isReachable = value;
    }

    public int InFlight => Volatile.Read(ref _inFlight);

    public bool HasGathered => Volatile.Read(ref _count) > 0;

    public void OnHeard() => Volatile.Write(ref _owesSince, 0);

    public bool IsSilent(long now)
    {
        var since = Volatile.Read(ref _owesSince);
        return !_isReachable || (since != 0 && now - since > SilentMilliseconds);
    }

    /// <summary>Whether a call may be sent; a silent peer gets one now and then.</summary>
    public bool TryBegin(long now)
    {
        if (IsSilent(now))
        {
            var trial = Volatile.Read(ref _trialAt);
            if (!_isReachable || now - trial < TrialMilliseconds || Interlocked.CompareExchange(ref _trialAt, now, trial) != trial)
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

    public void Ask(in LookupRequest request, long now)
    {
        LookupBatch? batch;
        lock (_gate)
        {
            if (_count == _gathered.Length)
            {
                Array.Resize(ref _gathered, _count * 2);
            }

            _gathered[_count++] = request;
            batch = !_isOut || now - _sentAt >= OverdueMilliseconds ? Take(now) : null;
        }

        Send(batch);
    }

    public void OnAnswered(ulong number, long now)
    {
        LookupBatch? batch = null;
        lock (_gate)
        {
            if (number == _number)
            {
                _isOut = false;
                batch = Take(now);
            }
        }

        Send(batch);
    }

    /// <summary>The clock's turn: what gathered behind a batch that is overdue leaves.</summary>
    public void Tick(long now)
    {
        if (!HasGathered)
        {
            return;
        }

        LookupBatch? batch;
        lock (_gate)
        {
            batch = !_isOut || now - _sentAt >= OverdueMilliseconds ? Take(now) : null;
        }

        Send(batch);
    }

    /// <summary>Its announcements are asked for at once, and again after 50 ms.</summary>
    public bool MayRequest(long now)
    {
        var last = Volatile.Read(ref _requestedAt);
        return now - last >= RequestMilliseconds && Interlocked.CompareExchange(ref _requestedAt, now, last) == last;
    }

    /// <summary>It is told of a newer epoch than it knows at once, and of the same again after 100 ms.</summary>
    public bool MayCorrect(ulong epoch, long now)
    {
        lock (_gate)
        {
            if (epoch <= _corrected && now - _correctedAt < CorrectMilliseconds)
            {
                return false;
            }

            _corrected = Math.Max(_corrected, epoch);
            _correctedAt = now;
            return true;
        }
    }

    /// <summary>The next batch, without those that nobody waits for any more. Under the lock.</summary>
    private LookupBatch? Take(long now)
    {
        var kept = 0;
        for (var i = 0; i < _count; i++)
        {
            if (calls.IsWaitedFor(_gathered[i].Id))
            {
                _gathered[kept++] = _gathered[i];
            }
        }

        _count = kept;
        if (kept == 0)
        {
            return null;
        }

        var items = _gathered[..Math.Min(kept, MapLimits.MaxBatch)];
        _count -= items.Length;
        Array.Copy(_gathered, items.Length, _gathered, 0, _count);
        _isOut = true;
        _sentAt = now;
        return new LookupBatch(++_number, items);
    }

    private void Send(LookupBatch? batch)
    {
        if (batch is not null)
        {
            context.Counters.CountBatch();
            context.Transport.Send(id, batch);
        }
    }
}
