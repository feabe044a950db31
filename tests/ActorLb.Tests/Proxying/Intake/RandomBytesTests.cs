using ActorLb.Proxying.Intake;

namespace ActorLb.Tests.Proxying.Intake;

public sealed class RandomBytesTests
{
    [Fact]
    public void Fill_OverManyDraws_NeverTheSameAndNoAllocation()
    {
        var seen = new HashSet<UInt128>();
        Span<byte> bytes = stackalloc byte[16];
        Span<byte> mask = stackalloc byte[4];
        RandomBytes.Fill(bytes);
        for (int i = 0; i < 1000; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            RandomBytes.Fill(bytes);
            RandomBytes.Fill(mask);
            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
            Assert.True(seen.Add(BitConverter.ToUInt128(bytes)));
        }
    }

    [Fact]
    public void Fill_BytesAreSpreadEvenly()
    {
        int[] counts = new int[256];
        Span<byte> mask = stackalloc byte[4];
        for (int i = 0; i < 64_000; i++)
        {
            RandomBytes.Fill(mask);
            foreach (byte b in mask)
                counts[b]++;
        }

        // 1,000 each, with a standard deviation of 32.
        Assert.All(counts, c => Assert.InRange(c, 750, 1250));
    }
}
