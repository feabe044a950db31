namespace ActorLb.Proxying.Reactors;

/// <summary>
/// Bytes that come bit by bit, in a buffer of the reactor's pool that grows with them: what a peer announces is believed only as its bytes
/// come. A struct in the object whose bytes they are; never copied.
/// </summary>
internal struct PooledBuffer
{
    private const int First = 1024;

    /// <summary>A read that gets less room than this is not worth its call.</summary>
    private const int LeastRoom = First / 4;

    private byte[]? _array;

    public int Length { get; private set; }

    public readonly bool IsRented => _array is not null;

    /// <summary>Bytes of memory that it takes.</summary>
    public readonly int Capacity => _array?.Length ?? 0;

    public readonly Span<byte> Bytes => _array.AsSpan(0, Length);

    public readonly Span<byte> From(int start) => _array.AsSpan(start, Length - start);

    /// <summary>Room for a read behind what is there: of the next size where that has become small.</summary>
    public Span<byte> Room(BufferPool pool)
    {
        if (_array is null) _array = pool.Rent(First);
        else if (_array.Length - Length < LeastRoom) pool.Grow(ref _array, Length, _array.Length * 2);
        return _array.AsSpan(Length);
    }

    /// <summary>Bytes were read into the <see cref="Room"/>.</summary>
    public void Take(int received) => Length += received;

    public void Append(BufferPool pool, ReadOnlySpan<byte> bytes)
    {
        _array ??= pool.Rent(Math.Max(First, bytes.Length));
        if (_array.Length - Length < bytes.Length) pool.Grow(ref _array, Length, Length + bytes.Length);
        bytes.CopyTo(_array.AsSpan(Length));
        Length += bytes.Length;
    }

    /// <summary>Takes away all behind the first <paramref name="length"/> bytes.</summary>
    public void Cut(int length) => Length = length;

    /// <summary>Takes away the first bytes.</summary>
    public void Skip(int count)
    {
        From(count).CopyTo(_array);
        Length -= count;
    }

    /// <summary>Takes another buffer of the pool in place of this one.</summary>
    public void Replace(BufferPool pool, byte[] array, int length)
    {
        Return(pool);
        _array = array;
        Length = length;
    }

    public void Return(BufferPool pool)
    {
        if (_array is not null) pool.Return(_array);
        _array = null;
        Length = 0;
    }
}
