using System.Runtime.CompilerServices;

namespace ActorLb.Sticky;

/// <summary>
/// Chooses and evicts entries of one store, so that its shard keeps within its cap and the node within <c>sticky.max-entries</c>. Only
/// used on the shard's owner, under the shard's lock; evictions are logged like other changes.
/// </summary>
internal sealed class ShardEviction(ShardStore store, StickyRules rules, StoreGroup group)
{
    /// <summary>Entries evicted because of the cap.</summary>
    public long Evicted { get; private set; }

    /// <summary>Evicts one entry without a session if connected clients had taken the shard above its cap.</summary>
    public void Trim(ulong except = 0)
    {
        if (!group.HasRoom && group.Count > rules.MaxPerShard && group.Count > group.Connected)
        {
            group.Evict(store, except, EntryState.Connected, EntryState.None);
        }
    }

    /// <summary>
    /// Makes room for a new entry: evicts an unconfirmed entry if there is one, else one without a session on this node. A
    /// connected client's entry is evicted only for another connected client, and only if all entries of the node are connected:
    /// otherwise a client that invents ids could evict the entries of connected clients.
    /// </summary>
    /// <returns>False if the new entry itself was removed.</returns>
    public bool MakeRoom(ulong added, ushort state)
    {
        bool isConnected = state == EntryState.Connected;
        if (group.Provisional > (state == EntryState.Provisional ? 1 : 0))
        {
            group.Evict(store, added, EntryState.Provisional, EntryState.Provisional);
        }
        else if (group.Count - group.Connected > (isConnected ? 0 : 1))
        {
            group.Evict(store, added, EntryState.Connected, EntryState.None);
        }
        else if (!isConnected)
        {
            store.Table.Remove(added);
            Evicted++;
            return false;
        }
        else if (!rules.Room.HasOthers || group.Count > 2 * rules.MaxPerShard)
        {
            group.Evict(store, added, EntryState.Connected, EntryState.Connected);
        }

        // Otherwise the shard exceeds its cap by one and another shard evicts an entry instead.
        return true;
    }

    /// <summary>
    /// Evicts entries without a session to bring the node back to its cap, a few at a time so that all shards contribute.
    /// </summary>
    public void EvictExcess(int most)
    {
        var table = store.Table;
        for (int n = Math.Min(most, 1 + (table.Count / 16)); n > 0 && table.Connected < table.Count && rules.Room.TryClaimEviction(); n--)
        {
            bool isProvisional = table.Provisional > 0;
            (ushort mask, ushort kind) = isProvisional ? (EntryState.Provisional, EntryState.Provisional) : (EntryState.Connected, EntryState.None);
            EvictAt(Pick(0, mask, kind, StoreGroup.Sample, out _));
        }
    }

    /// <summary>Evicts the entry at a position.</summary>
    public void EvictAt(int position)
    {
        store.Log.Append(new LogOp(LogOpKind.Remove, store.Table.At(position).H, default, 0));
        store.Table.RemoveAt(position);
        Evicted++;
    }

    /// <summary>The number of entries of a kind, as in <see cref="Pick"/>.</summary>
    public int CountOf(ushort kind) => kind switch
    {
        EntryState.Provisional => store.Table.Provisional,
        EntryState.Connected => store.Table.Connected,
        _ => store.Table.Count - store.Table.Connected,
    };

    /// <summary>
    /// Finds the entry to evict: the lowest rank among a sample of one kind, starting at a random position. Positions follow the
    /// order of hashes, so neighbours are a random sample. Entries whose session ended go before those whose session began,
    /// because that session may still be open on another node.
    /// </summary>
    /// <param name="kind">The value of the <paramref name="mask"/> bits in the entry's state.</param>
    /// <param name="rank">The lowest rank is evicted: by last touch, ends before beginnings.</param>
    /// <returns>The entry's position; -1 if there is none.</returns>
    public int Pick(ulong except, ushort mask, ushort kind, int sample, out uint rank)
    {
        var table = store.Table;
        int i = group.Random(table.Capacity);
        int best = -1;
        rank = uint.MaxValue;
        int left = Math.Min(sample, CountOf(kind));
        for (int looked = 0; looked < table.Capacity && left > 0; looked++, i = i + 1 == table.Capacity ? 0 : i + 1)
        {
            ref var entry = ref table.At(i);
            if (Unsafe.IsNullRef(ref entry) || (entry.GenAndState & mask) != kind)
            {
                continue;
            }

            left--;
            uint own = entry.Touch ^ ShardEntry.RefreshedBit;
            if (entry.H != except && own < rank)
            {
                rank = own;
                best = i;
            }
        }

        return best;
    }
}
