namespace ActorLb.Sticky.Map.Lookups;

/// <summary>
/// Sends lookups to one member. One batch is in flight at a time; further lookups are collected and sent when its answer arrives,
/// so the cost of a lookup falls as load rises. Thread-safe.
/// </summary>
internal sealed class MemberLookups(MemberId id, MapContext context, PendingCalls calls)
{
    /// <summary>The most calls in flight to one member; further ones fall back at once.</summary>
    public const int MaxInFlight = 8192;

    /// <summary>After this time an unanswered batch no longer delays the next.</summary>
    public const long OverdueMilliseconds = 25;

    /// <summary>
    /// A member that sent nothing at all for this long while it owed an answer is not asked until it sends something.
    /// </summary>
    private const long SilentMilliseconds = 150;

    /// <summary>A silent member still gets a trial call this often, to detect that it is back.</summary>
    private const long TrialMilliseconds = 50;

    private const long RequestMilliseconds = 50;
    private const long CorrectMilliseconds = 100;

    private readonly Lock _gate = new();

    // Guarded by the lock; the count is also read without it, as a hint.
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

    public MemberId Id => id;

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
        long since = Volatile.Read(ref _owesSince);
        return !_isReachable || (since != 0 && now - since > SilentMilliseconds);
    }

    /// <summary>Whether a call may be sent. A silent member gets only trial calls.</summary>
    public bool TryBegin(long now)
    {
        if (IsSilent(now))
        {
            long trial = Volatile.Read(ref _trialAt);
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

    /// <summary>Called by the clock: sends the collected lookups if the batch in flight is overdue.</summary>
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

    /// <summary>Limits requests for announcements to one in 50 ms.</summary>
    public bool MayRequest(long now)
    {
        long last = Volatile.Read(ref _requestedAt);
        return now - last >= RequestMilliseconds && Interlocked.CompareExchange(ref _requestedAt, now, last) == last;
    }

    /// <summary>Limits corrections of the member's epoch: a higher one at once, the same again after 100 ms.</summary>
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

    /// <summary>Takes the next batch, without lookups that have ended meanwhile. Under the lock.</summary>
    private LookupBatch? Take(long now)
    {
        int kept = 0;
        for (int i = 0; i < _count; i++)
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
