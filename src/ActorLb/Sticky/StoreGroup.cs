namespace ActorLb.Sticky;

/// <summary>
/// The stores of one shard. They share a lock and the shard's part of the cap, because the part of a single partition could be as
/// small as one entry.
/// </summary>
internal sealed class StoreGroup
{
    /// <summary>How many entries an eviction samples.</summary>
    public const int Sample = 32;

    private readonly List<ShardStore> _stores = [];
    private uint _random = 0x9E3779B9;

    // How many more can be added before a recount.
    private int _roomLeft;

    /// <summary>Whether there is room without a recount.</summary>
    public bool HasRoom => _roomLeft > 0;

    public int Count => Sum(static s => s.Table.Count);

    public int Connected => Sum(static s => s.Table.Connected);

    public int Provisional => Sum(static s => s.Table.Provisional);

    public void Add(ShardStore store) => _stores.Add(store);

    /// <summary>Whether there was room for the entry that a store just added.</summary>
    public bool HadRoom(int most)
    {
        if (_roomLeft > 0)
        {
            _roomLeft--;
            return true;
        }

        int count = Count;
        _roomLeft = Math.Max(0, most - count);
        return count <= most;
    }

    /// <summary>A store's content was replaced or changed by a copy.</summary>
    public void Recount() => _roomLeft = 0;

    /// <summary>Evicts one of a sample of entries of a kind, sampling the first store before the others.</summary>
    /// <param name="except">An entry of the first store that must stay.</param>
    public void Evict(ShardStore first, ulong except, ushort mask, ushort kind)
    {
        int from = _stores.IndexOf(first);
        int left = Sample;
        var (victim, place, lowest) = (first, -1, uint.MaxValue);
        for (int n = 0; n < _stores.Count && left > 0; n++)
        {
            var store = _stores[(from + n) % _stores.Count];
            int candidate = store.Eviction.Pick(n == 0 ? except : 0, mask, kind, left, out uint rank);
            left -= Math.Min(left, store.Eviction.CountOf(kind));
            if (candidate >= 0 && (place < 0 || rank < lowest))
            {
                (victim, place, lowest) = (store, candidate, rank);
            }
        }

        if (place >= 0)
        {
            victim.Eviction.EvictAt(place);
        }
    }

    public int Random(int bound)
    {
        _random ^= _random << 13;
        _random ^= _random >> 17;
        _random ^= _random << 5;
        return (int)(((ulong)_random * (uint)bound) >> 32);
    }

    private int Sum(Func<ShardStore, int> count)
    {
        int sum = 0;
        foreach (var store in _stores)
        {
            sum += count(store);
        }

        return sum;
    }
}
