using System.Runtime.CompilerServices;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

public sealed class PacketFramerTests
{
    [Fact]
    public void EverySplitPoint_CountsAndBoundariesHold()
    {
        (byte[] stream, int[] ends) = Stream(0, 1, 127, 128, 300, 0, 16383, 16384);
        for (int split = 0; split <= stream.Length; split++)
        {
            var framer = new PacketFramer();
            Assert.Equal(ends.Count(e => e <= split), framer.Advance(stream.AsSpan(0, split)));
            Assert.Equal(split == 0 || ends.Contains(split), framer.AtBoundary);
            Assert.Equal(ends.Count(e => e > split), framer.Advance(stream.AsSpan(split)));
            Assert.True(framer.AtBoundary);
        }
    }

    [Fact]
    public void ByteByByte_CountsAndTypesHold()
    {
        (byte[] stream, int[] ends) = Stream(0, 5, 200, 20000);
        Span<long> started = stackalloc long[16];
        var framer = new PacketFramer();
        int total = 0;
        for (int i = 0; i < stream.Length; i++)
        {
            total += framer.Advance(stream.AsSpan(i, 1), started);
            Assert.Equal(ends.Contains(i + 1), framer.AtBoundary);
        }
        Assert.Equal(4, total);
        Assert.Equal(4, started[(int)PacketType.Publish]);
        started[(int)PacketType.Publish] = 0;
        Assert.True(started.IndexOfAnyExcept(0) < 0);
    }

    [Fact]
    public void Types_Counted_WhenPacketsStart()
    {
        byte[] bytes = [0xC0, 0, 0x40, 2, 0, 1, 0x32, 10, 1];
        Span<long> started = stackalloc long[16];
        var framer = new PacketFramer();
        Assert.Equal(2, framer.Advance(bytes, started));
        Assert.Equal((1, 1, 1), (started[12], started[4], started[3]));
        Assert.False(framer.AtBoundary);
    }

    [Fact]
    public void LargestPacket_SkippedWithoutOverflow()
    {
        var framer = new PacketFramer();
        framer.Advance([0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
        byte[] chunk = new byte[1 << 20];
        for (int i = 0; i < 255; i++) Assert.Equal(0, framer.Advance(chunk));
        Assert.Equal(0, framer.Advance(chunk.AsSpan(2)));
        Assert.Equal(1, framer.Advance([0]));
        Assert.True(framer.AtBoundary);
    }

    [Fact]
    public void BadLength_InvalidForGood()
    {
        byte[] bytes = [0xC0, 0, 0x30, 0x80, 0x80, 0x80, 0x80, 0x01, 0xC0, 0];
        for (int split = 0; split <= bytes.Length; split++)
        {
            var framer = new PacketFramer();
            int completed = framer.Advance(bytes.AsSpan(0, split)) + framer.Advance(bytes.AsSpan(split));
            Assert.Equal(1, completed);
            Assert.True(framer.Invalid);
            Assert.False(framer.AtBoundary);
            Assert.Equal(0, framer.Advance([0xC0, 0]));
        }
    }

    [Fact]
    public void AdvanceToBoundary_StopsBehindThePacket()
    {
        (byte[] stream, int[] ends) = Stream(3, 200, 0);
        for (int split = 0; split <= stream.Length; split++)
        {
            var framer = new PacketFramer();
            framer.Advance(stream.AsSpan(0, split));
            int expected = framer.AtBoundary ? 0 : ends.First(e => e > split) - split;
            Assert.Equal(expected, framer.AdvanceToBoundary(stream.AsSpan(split)));
            Assert.True(framer.AtBoundary);
        }
    }

    [Fact]
    public void AdvanceToBoundary_NoneHere_TakesAll()
    {
        var framer = new PacketFramer();
        framer.Advance([0x30, 10]);
        Assert.Equal(4, framer.AdvanceToBoundary(new byte[4]));
        Assert.False(framer.AtBoundary);
    }

    [Fact]
    public void Size_AtMostSixteenBytes() => Assert.True(Unsafe.SizeOf<PacketFramer>() <= 16);

    private static (byte[] Stream, int[] Ends) Stream(params int[] payloads)
    {
        var stream = new List<byte>();
        var ends = new List<int>();
        Span<byte> header = stackalloc byte[5];
        foreach (int payload in payloads)
        {
            header[0] = 0x30;
            int length = 1 + VariableByteInteger.Write(header[1..], payload);
            stream.AddRange(header[..length]);
            stream.AddRange(Enumerable.Repeat((byte)0xFF, payload));
            ends.Add(stream.Count);
        }
        return ([.. stream], [.. ends]);
    }
}
