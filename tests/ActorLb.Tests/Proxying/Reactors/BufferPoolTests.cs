using ActorLb.Proxying.Reactors;

namespace ActorLb.Tests.Proxying.Reactors;

public sealed class BufferPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(65_536)]
    [InlineData(5_000_000)]
    public void Rent_AnySize_GivesAtLeastThat(int size)
    {
        var pool = new BufferPool();
        byte[] buffer = pool.Rent(size);
        Assert.True(buffer.Length >= size);
        Assert.Equal(buffer.Length, pool.Rented);
        pool.Return(buffer);
        Assert.Equal(0, pool.Rented);
    }

    [Fact]
    public void Rent_AfterReturn_GivesTheSameBufferWithoutAllocating()
    {
        var pool = new BufferPool();
        byte[] first = pool.Rent(1000);
        pool.Return(first);
        long before = GC.GetAllocatedBytesForCurrentThread();
        byte[] second = pool.Rent(600);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Same(first, second);
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void Return_OfABurst_KeepsABoundedAmount()
    {
        var pool = new BufferPool();
        byte[][] burst = [.. Enumerable.Range(0, 4000).Select(_ => pool.Rent(1024))];
        foreach (byte[] buffer in burst) pool.Return(buffer);
        int reused = Enumerable.Range(0, 4000).Count(_ => burst.Contains(pool.Rent(1024)));
        Assert.Equal(1024, reused);
    }

    [Fact]
    public void Grow_KeepsWhatIsUsed()
    {
        var pool = new BufferPool();
        byte[] buffer = pool.Rent(256);
        for (int i = 0; i < 256; i++) buffer[i] = (byte)i;
        pool.Grow(ref buffer, 256, 512);
        Assert.True(buffer.Length >= 512);
        Assert.Equal(Enumerable.Range(0, 256).Select(i => (byte)i), buffer.Take(256));
        Assert.Equal(buffer.Length, pool.Rented);
    }
}
