using System.Collections.Immutable;

namespace ActorLb.Tls;

/// <summary>
/// The ticket keys of a server: the first encrypts, all decrypt. Keys given from outside stay until others are given; keys made
/// here are replaced when they have encrypted for the sessions' life time, and decrypt for as long again, after which no ticket
/// of theirs is valid anyway. Any thread may call anything.
/// </summary>
internal sealed class TicketKeyRing
{
    private readonly TimeProvider _time;

    // Written by one change of the configuration at a time, in seconds so that a reader sees it whole.
    private volatile int _lifeSeconds;

    // Replaced as a whole, by compare and exchange where two threads may rotate at once; readers take it once.
    private volatile Keys _keys;

    internal TicketKeyRing(TimeProvider time, TimeSpan lifeTime)
    {
        _time = time;
        LifeTime = lifeTime;
        _keys = new Keys([TicketKey.CreateRandom()], Own: true, Since: time.GetTimestamp());
    }

    /// <summary>How long keys made here encrypt; a reload may change it.</summary>
    internal TimeSpan LifeTime
    {
        get => TimeSpan.FromSeconds(_lifeSeconds);
        set => _lifeSeconds = (int)value.TotalSeconds;
    }

    /// <summary>All keys, the encrypting one first.</summary>
    internal ImmutableArray<TicketKey> Current => _keys.Ring;

    /// <summary>Replaces all keys. The fleet shares and rotates by calling this on every node.</summary>
    /// <param name="keys">At least one; the first encrypts.</param>
    internal void Set(ImmutableArray<TicketKey> keys)
    {
        ArgumentOutOfRangeException.ThrowIfZero(keys.Length, nameof(keys));
        _keys = new Keys(keys, Own: false, Since: 0);
    }

    /// <summary>The key for a new ticket.</summary>
    internal TicketKey ForEncryption()
    {
        var keys = _keys;
        if (keys.Own && _time.GetElapsedTime(keys.Since) >= LifeTime)
        {
            var next = new Keys([TicketKey.CreateRandom(), keys.Ring[0]], Own: true, Since: _time.GetTimestamp());
            var before = Interlocked.CompareExchange(ref _keys, next, keys);
            keys = ReferenceEquals(before, keys) ? next : before;
        }

        return keys.Ring[0];
    }

    /// <summary>The key of a ticket by its name, or null; and whether the client should get a new ticket.</summary>
    internal TicketKey? ForDecryption(ReadOnlySpan<byte> name, out bool renew)
    {
        var ring = _keys.Ring;
        for (int i = 0; i < ring.Length; i++)
        {
            if (ring[i].Name.SequenceEqual(name))
            {
                renew = i > 0;
                return ring[i];
            }
        }

        renew = false;
        return null;
    }

    private sealed record Keys(ImmutableArray<TicketKey> Ring, bool Own, long Since);
}
