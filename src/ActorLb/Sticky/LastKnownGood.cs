using ActorLb.Sticky.Map;

namespace ActorLb.Sticky;

/// <summary>
/// The backends that this node last saw for clients whose shards other nodes own, used only when owner and replica don't answer.
/// Each word holds 32 bits of the hash, the slot and the generation, so reads and writes are atomic and lock-free. Four-way
/// associative, newest first.
/// </summary>
internal sealed class LastKnownGood(int capacity)
{
    private const int Ways = 4;

    private readonly ulong[] _words = new ulong[capacity];

    public BackendRef Find(ulong h)
    {
        var set = Set(h);
        for (int i = 0; i < Ways; i++)
        {
            ulong word = Volatile.Read(ref set[i]);
            if (word >> 32 == Tag(h))
            {
                return BackendRef.FromValue((uint)word);
            }
        }

        return BackendRef.None;
    }

    public void Remember(ulong h, BackendRef backend)
    {
        var set = Set(h);
        ulong word = (Tag(h) << 32) | backend.Value;
        for (int i = 0; i < Ways; i++)
        {
            // Shifts the newer words back by one up to the client's old word, or drops the oldest. Losing a race loses one word.
            ulong old = set[i];
            Volatile.Write(ref set[i], word);
            if (old >> 32 == Tag(h) || old == 0)
            {
                return;
            }

            word = old;
        }
    }

    private static ulong Tag(ulong h) => h & 0xFFFF_FFFF;

    private Span<ulong> Set(ulong h)
    {
        uint sets = (uint)(_words.Length / Ways);
        return _words.AsSpan((int)(((ShardRendezvous.Mix(h) >> 32) * sets) >> 32) * Ways, Ways);
    }
}
