using System.Numerics;

namespace ActorLb.Proxying.Reactors;

/// <summary>
/// Byte arrays in power-of-two sizes, reused; owned by one reactor and used by its thread alone. Keeps at most
/// <see cref="RetainedBytes"/> of each size, so that a burst does not stay in memory.
/// </summary>
internal sealed class BufferPool
{
    private const int SmallestShift = 8; // 256 B: a common CONNECT with its PROXY header
    private const int Sizes = 14; // up to 2 MiB
    private const int RetainedBytes = 1 << 20;

    private readonly Stack<byte[]>[] _free = new Stack<byte[]>[Sizes];

    public BufferPool()
    {
        for (int i = 0; i < Sizes; i++) _free[i] = new Stack<byte[]>();
    }

    /// <summary>Bytes of the buffers that are out.</summary>
    public long Rented { get; private set; }

    public byte[] Rent(int size)
    {
        int index = IndexOf(size);
        if (index >= Sizes)
        {
            Rented += size;
            return GC.AllocateUninitializedArray<byte>(size);
        }
        byte[] buffer = _free[index].Count > 0 ? _free[index].Pop() : GC.AllocateUninitializedArray<byte>(1 << (index + SmallestShift));
        Rented += buffer.Length;
        return buffer;
    }

    public void Return(byte[] buffer)
    {
        Rented -= buffer.Length;
        int index = IndexOf(buffer.Length);
        if (index >= Sizes || buffer.Length != 1 << (index + SmallestShift)) return;
        if (((_free[index].Count + 1) * (long)buffer.Length) <= Math.Max(RetainedBytes, buffer.Length)) _free[index].Push(buffer);
    }

    /// <summary>Lets go of all that is kept for later.</summary>
    public void Trim()
    {
        foreach (var free in _free)
        {
            free.Clear();
            free.TrimExcess();
        }
    }

    /// <summary>Moves <paramref name="used"/> bytes into a buffer of at least <paramref name="size"/>.</summary>
    public void Grow(ref byte[] buffer, int used, int size)
    {
        byte[] larger = Rent(size);
        buffer.AsSpan(0, used).CopyTo(larger);
        Return(buffer);
        buffer = larger;
    }

    private static int IndexOf(int size) => Math.Max(0, BitOperations.Log2((uint)Math.Max(1, size - 1)) + 1 - SmallestShift);
}
