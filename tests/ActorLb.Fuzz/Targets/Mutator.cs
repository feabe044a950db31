namespace ActorLb.Fuzz.Targets;

/// <summary>Makes inputs out of seeds and chance, the same ones for the same number, without allocating.</summary>
internal sealed class Mutator(FuzzTarget target, ulong number)
{
    private const int MaxLength = 1024;

    private static ReadOnlySpan<byte> Interesting => [0, 1, 2, 0x0A, 0x0D, 0x10, 0x20, 0x7E, 0x7F, 0x80, 0x82, 0xC0, 0xED, 0xFE, 0xFF];

    private readonly byte[] _buffer = new byte[MaxLength];
    private readonly byte[][] _seeds = target.Seeds.Where(s => s.Length <= MaxLength).ToArray();
    private ulong _state = number;
    private int _length;

    /// <summary>The last input, for a report.</summary>
    public ReadOnlySpan<byte> Last => _buffer.AsSpan(0, _length);

    public void Run(long count)
    {
        for (long i = 0; i < count; i++)
        {
            Make();
            target.Run(_buffer.AsSpan(0, _length), (uint)(Next() >> 32));
        }
    }

    private void Make()
    {
        ulong kind = Next();
        if ((kind & 7) == 0)
        {
            Randomize(kind);
            return;
        }
        ReadOnlySpan<byte> seed = _seeds[(int)((kind >> 8) % (ulong)_seeds.Length)];
        seed.CopyTo(_buffer);
        _length = seed.Length;
        // One to four, fewer more often: each may end the input's way.
        for (ulong mutations = Math.Min(kind >> 3 & 3, kind >> 5 & 3) + 1; mutations > 0; mutations--) Mutate();
        if ((kind >> 7 & 1) == 0) target.Repair(_buffer.AsSpan(0, _length));
    }

    private void Randomize(ulong kind)
    {
        _length = (int)(kind >> 8) & 127;
        for (int i = 0; i < _length; i += 8) BitConverter.TryWriteBytes(_buffer.AsSpan(i), Next());
        // Half of them begin as a seed does.
        if ((kind >> 3 & 1) == 0 || _length < 4) return;
        ReadOnlySpan<byte> seed = _seeds[(int)((kind >> 16) % (ulong)_seeds.Length)];
        seed[..Math.Min(seed.Length, 4)].CopyTo(_buffer);
    }

    private void Mutate()
    {
        ulong bits = Next();
        int at = _length == 0 ? 0 : (int)((bits >> 8) % (ulong)_length);
        // Readers stop at the first fault: half of the mutations go to the later of two places.
        if ((bits & 8) != 0 && _length > 0) at = Math.Max(at, (int)((bits >> 28) % (ulong)_length));
        byte value = (byte)(bits >> 40);
        switch (bits & 7)
        {
            case 0 when _length > 0: _buffer[at] ^= (byte)(1 << (value & 7)); break;
            case 1 when _length > 0: _buffer[at] = value; break;
            case 2 when _length > 0: _buffer[at] = Interesting[value % Interesting.Length]; break;
            case 3 when _length > 0: _buffer[at]++; break;
            case 4: _length = at; break;
            case 5 when _length < MaxLength:
                _buffer.AsSpan(at, _length - at).CopyTo(_buffer.AsSpan(at + 1));
                _buffer[at] = value;
                _length++;
                break;
            case 6 when _length > 0:
                int removed = Math.Min(1 + (value & 3), _length - at);
                _buffer.AsSpan(at + removed, _length - at - removed).CopyTo(_buffer.AsSpan(at));
                _length -= removed;
                break;
            default: Splice(at, bits); break;
        }
    }

    /// <summary>Goes on with the rest of another seed.</summary>
    private void Splice(int at, ulong bits)
    {
        ReadOnlySpan<byte> other = _seeds[(int)((bits >> 16) % (ulong)_seeds.Length)];
        other = other[(int)((bits >> 24) % (ulong)(other.Length + 1))..];
        other = other[..Math.Min(other.Length, MaxLength - at)];
        other.CopyTo(_buffer.AsSpan(at));
        _length = at + other.Length;
    }

    /// <summary>SplitMix64: one word of state, no allocation, the same on every machine.</summary>
    private ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
