namespace ActorLb.Sticky;

internal enum LogOpKind : byte { Put = 1, Remove = 2 }

/// <summary>One change of a shard. A removal names only the key.</summary>
internal readonly record struct LogOp(LogOpKind Kind, ulong H, BackendRef Backend, uint Touch);

/// <summary>
/// The changes of one shard that its copies have not confirmed yet, numbered from 1. It holds at most <paramref name="maxOps"/>: a copy
/// that falls further behind has to take a snapshot. Guarded by the shard's lock.
/// </summary>
internal sealed class ReplicationLog(int maxOps = ReplicationLog.MaxOps)
{
    public const int MaxOps = 1024;

    private LogOp[] _ops = [];
    private int _head;
    private int _count;

    /// <summary>Number of the last change, 0 before the first.</summary>
    public ulong Last { get; private set; }

    /// <summary>Number of the oldest change still held; <c>Last + 1</c> when none is.</summary>
    public ulong First => Last - (ulong)_count + 1;

    /// <summary>While nobody copies the shard, changes are only counted.</summary>
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

    /// <summary>Copies changes from a number on.</summary>
    /// <returns>How many, or -1 when the first of them is no longer held.</returns>
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

        var skip = (int)(from - First);
        var n = Math.Min(into.Length, _count - skip);
        for (var i = 0; i < n; i++)
        {
            into[i] = _ops[(_head + skip + i) % _ops.Length];
        }

        return n;
    }

    /// <summary>Forgets the changes up to a number, which every copy has.</summary>
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
    /// A new ownership: nothing is held, and one number is left out, so that a copy which followed an earlier ownership of this node
    /// up to the last change sees that it missed something.
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
        for (var i = 0; i < _count; i++)
        {
            grown[i] = _ops[(_head + i) % _ops.Length];
        }

        _ops = grown;
        _head = 0;
    }
}
