namespace ActorLb.Sticky.Map.Sharding;

/// <summary>A snapshot being received. The previous content stays in use until this one is complete.</summary>
internal sealed class ShardStaging(MemberId from, ulong epoch, bool follows, int partitions)
{
    private readonly ShardTable?[] _tables = new ShardTable?[partitions];
    private readonly ulong[] _sequences = new ulong[partitions];
    private readonly ulong[] _skipped = new ulong[partitions];
    private readonly bool[] _whole = new bool[partitions];

    public MemberId From => from;

    public ulong Epoch => epoch;

    /// <summary>Changes are applied while it is received.</summary>
    public bool Follows => follows;

    /// <summary>Number of the last change contained in every complete partition.</summary>
    public ulong Applied { get; set; }

    public bool IsBegun { get; set; }

    public long At { get; set; }

    /// <summary>Index of the first missing partition in the shard; the number of partitions if none is missing.</summary>
    public int Missing
    {
        get
        {
            int missing = Array.IndexOf(_whole, false);
            return missing < 0 ? partitions : missing;
        }
    }

    /// <summary>All partitions have arrived, and all changes up to the latest of them.</summary>
    public bool IsComplete => Missing == partitions && (!follows || Applied >= _sequences.Max());

    public ulong Sequence => follows ? Applied : _sequences.Max();

    /// <summary>Adds a received part.</summary>
    /// <param name="index">Index of the partition in the shard.</param>
    public void Take(int index, in SnapshotPart part, int skipBits, long now)
    {
        if (part.Offset == 0)
        {
            _tables[index]?.Dispose();
            _tables[index] = new ShardTable(skipBits);
            _tables[index]!.EnsureRoom(part.Total);
            _sequences[index] = part.Sequence;
            _whole[index] = false;
            if (!IsBegun)
            {
                IsBegun = true;
                Applied = part.Sequence;
            }
        }

        if (_tables[index] is not { } table || _whole[index] || _sequences[index] != part.Sequence || table.Count != part.Offset)
        {
            // From another copy of the partition, or a part is missing: the partition will be requested again.
            return;
        }

        foreach (var entry in part.Entries)
        {
            table.Set(entry.H, BackendRef.FromValue(entry.Backend), MapContext.TouchOf(entry, now));
        }

        // A change that arrived before its partition is contained in it, unless they overtook each other.
        _whole[index] = table.Count == part.Total && _skipped[index] <= part.Sequence;
    }

    /// <summary>Applies the next change.</summary>
    public void Apply(int index, in MapOp op, long now)
    {
        Applied++;
        if (!_whole[index])
        {
            _skipped[index] = Applied;
        }
        else if (Applied > _sequences[index])
        {
            if (op.Kind == LogOpKind.Put)
            {
                _tables[index]!.Set(op.Entry.H, BackendRef.FromValue(op.Entry.Backend), MapContext.TouchOf(op.Entry, now));
            }
            else
            {
                _tables[index]!.Remove(op.Entry.H);
            }
        }
    }

    /// <summary>Returns the table of a partition and transfers its ownership to the caller.</summary>
    public ShardTable Give(int index)
    {
        var table = _tables[index]!;
        _tables[index] = null;
        return table;
    }

    public void Drop()
    {
        foreach (var table in _tables)
        {
            table?.Dispose();
        }
    }
}
