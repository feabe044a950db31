namespace ActorLb.Sticky;

internal enum LogOpKind : byte { Put = 1, Remove = 2 }

/// <summary>One change of a shard. A removal has only the key.</summary>
internal readonly record struct LogOp(LogOpKind Kind, ulong H, BackendRef Backend, uint Touch);

/// <summary>
/// The changes of one shard that its copies have not confirmed yet, numbered from 1. Holds at most <paramref name="maxOps"/>; a
/// copy that falls further behind needs a snapshot. Guarded by the shard's lock.
/// </summary>
internal sealed class ReplicationLog(int maxOps = ReplicationLog.MaxOps)
{
    public const int MaxOps = 1024;

    private LogOp[] _ops = [];
    private int _head;
    private int _count;

    /// <summary>Number of the latest change; 0 before the first.</summary>
    public ulong Last { get; private set; }

    /// <summary>Number of the oldest change still held; <c>Last + 1</c> if none is.</summary>
    public ulong First => Last - (ulong)_count + 1;

    /// <summary>Whether changes are kept. While the shard has no copy they are only counted.</summary>
    public bool Keeps { get; set; }

    public void Append(in LogOp op)
    {
        Last++;
        if (!Keeps)
        {
            return;
        }

        if (_count == _ops.Length)
        {
            if (_count == maxOps)
            {
                _head = (_head + 1) % maxOps;
                _count--;
            }
            else
            {
                Grow();
            }
        }

        _ops[(_head + _count) % _ops.Length] = op;
        _count++;
    }

    /// <summary>Copies changes, starting with number <paramref name="from"/>.</summary>
    /// <returns>How many were copied, or -1 if the first is no longer held.</returns>
    public int Read(ulong from, Span<LogOp> into)
    {
        if (from > Last)
        {
            return 0;
        }

        if (from < First)
        {
            return -1;
        }

        int skip = (int)(from - First);
        int n = Math.Min(into.Length, _count - skip);
        for (int i = 0; i < n; i++)
        {
            into[i] = _ops[(_head + skip + i) % _ops.Length];
        }

        return n;
    }

    /// <summary>Drops the changes up to a number that every copy has confirmed.</summary>
    public void Trim(ulong through)
    {
        while (_count > 0 && First <= through)
        {
            _head = (_head + 1) % _ops.Length;
            _count--;
        }

        if (_count == 0)
        {
            _head = 0;
        }
    }

    /// <summary>
    /// Starts a new ownership with an empty log. Skips one number, so that a copy that followed an earlier ownership of this node
    /// up to its last change notices the gap.
    /// </summary>
    public void Begin()
    {
        _ops = [];
        _head = 0;
        _count = 0;
        Last++;
    }

    private void Grow()
    {
        var grown = new LogOp[Math.Min(maxOps, Math.Max(8, _ops.Length * 2))];
        for (int i = 0; i < _count; i++)
        {
            grown[i] = _ops[(_head + i) % _ops.Length];
        }

        _ops = grown;
        _head = 0;
    }
}
