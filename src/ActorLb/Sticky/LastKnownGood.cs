using ActorLb.Sticky.Map;

namespace ActorLb.Sticky;

/// <summary>
/// The backends that this node last saw for clients of other nodes' shards: asked only when owner and replica are silent. Each word
/// holds 32 bits of the hash, slot and generation, so reads and writes are atomic and need no lock; sets of four, the newest first.
/// </summary>
internal sealed class LastKnownGood(int capacity)
{
    private const int Ways = 4;

    private readonly ulong[] _words = new ulong[capacity];

    public BackendRef Find(ulong h)
    {
        var set = Set(h);
        for (var i = 0; i < Ways; i++)
        {
            var word = Volatile.Read(ref set[i]);
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
        var word = (Tag(h) << 32) | backend.Value;
        for (var i = 0; i < Ways; i++)
        {
            // Everyone before the old place moves one back; without an old place the last one falls out. A race costs one memory.
            var old = set[i];
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
        var sets = (uint)(_words.Length / Ways);
        return _words.AsSpan((int)(((Rendezvous.Mix(h) >> 32) * sets) >> 32) * Ways, Ways);
    }
}
