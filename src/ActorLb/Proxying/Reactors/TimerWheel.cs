namespace ActorLb.Proxying.Reactors;

/// <summary>What a <see cref="TimerWheel"/> holds: the links live in the timed object, so that a timer costs no allocation.</summary>
internal abstract class Timed
{
    internal Timed? TimerPrevious, TimerNext;
    internal int TimerBucket = -1;

    /// <summary>Milliseconds of the reactor's clock at which the object is due. Moving it later needs no call: the wheel looks
    /// again when the old time comes.</summary>
    internal long Deadline;
}

/// <summary>
/// A hashed timer wheel with one timer an object; used by one thread. Deadlines beyond one turn wait in the last bucket of the
/// turn and are looked at again, so setting, moving and cancelling cost the same for any distance.
/// </summary>
internal sealed class TimerWheel
{
    /// <summary>Milliseconds a bucket: deadlines are met this late at most.</summary>
    public const int Granularity = 50;

    private const int Buckets = 1024; // a turn of 51.2 s; a power of two

    private readonly Timed?[] _heads = new Timed?[Buckets];
    private long _tick;

    // No bucket between _tick and this one holds anything; saves the search for the next one a turn of the wheel.
    private long _earliest;

    public TimerWheel(long now) => _tick = now / Granularity;

    public int Count { get; private set; }

    /// <summary>Sets or moves the object's timer.</summary>
    public void Set(Timed timed, long deadline)
    {
        timed.Deadline = deadline;
        // Later than where it waits already: the visit there moves it on.
        if (timed.TimerBucket >= 0 && deadline >= VisitTime(timed.TimerBucket)) return;
        Cancel(timed);
        Insert(timed);
    }

    public void Cancel(Timed timed)
    {
        if (timed.TimerBucket < 0) return;
        if (timed.TimerPrevious is null) _heads[timed.TimerBucket] = timed.TimerNext;
        else timed.TimerPrevious.TimerNext = timed.TimerNext;
        if (timed.TimerNext is not null) timed.TimerNext.TimerPrevious = timed.TimerPrevious;
        timed.TimerPrevious = timed.TimerNext = null;
        timed.TimerBucket = -1;
        Count--;
    }

    /// <summary>Calls <paramref name="expired"/> for every object due at <paramref name="now"/>; its timer is off by then.</summary>
    public void Advance(long now, Action<Timed> expired)
    {
        long target = now / Granularity;
        if (target - _tick > Buckets) _tick = target - Buckets;
        while (_tick < target)
        {
            _tick++;
            int bucket = (int)(_tick & (Buckets - 1));
            // Inserting never hits the bucket of this very tick, so the loop ends.
            while (_heads[bucket] is { } timed)
            {
                Cancel(timed);
                if (timed.Deadline > now) Insert(timed);
                else expired(timed);
            }
        }
    }

    /// <summary>Milliseconds until the next bucket that holds anything; -1 when none does.</summary>
    public int DelayUntilNext(long now)
    {
        if (Count == 0) return -1;
        for (long tick = Math.Max(_tick + 1, _earliest); tick <= _tick + Buckets; tick++)
        {
            if (_heads[tick & (Buckets - 1)] is null) continue;
            _earliest = tick;
            return (int)Math.Max(0, (tick * Granularity) - now);
        }
        return Granularity;
    }

    private void Insert(Timed timed)
    {
        // Rounded up, so that no visit comes before the deadline.
        long tick = Math.Clamp((timed.Deadline + Granularity - 1) / Granularity, _tick + 1, _tick + Buckets - 1);
        _earliest = Math.Min(_earliest, tick);
        int bucket = (int)(tick & (Buckets - 1));
        timed.TimerBucket = bucket;
        timed.TimerNext = _heads[bucket];
        if (timed.TimerNext is not null) timed.TimerNext.TimerPrevious = timed;
        _heads[bucket] = timed;
        Count++;
    }

    private long VisitTime(int bucket)
    {
        long distance = (bucket - _tick) & (Buckets - 1);
        return (_tick + (distance == 0 ? Buckets : distance)) * Granularity;
    }
}
