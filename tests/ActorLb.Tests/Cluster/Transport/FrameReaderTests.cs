using ActorLb.Cluster.Transport;
using ActorLb.Protocol.Peer;

namespace ActorLb.Tests.Cluster.Transport;

public sealed class FrameReaderTests
{
    [Fact]
    public async Task TryNext_EverySplitPoint_GivesTheSameFrames()
    {
        byte[] bytes = [.. Frame(0, 1), .. Frame(21, 2), .. Frame(100, 3)];
        for (var split = 1; split < bytes.Length; split++)
        {
            var reader = Trusting(new Pieces(bytes[..split], bytes[split..]));
            Assert.Equal([1, 2, 3], (await ReadAllAsync(reader)).Select(f => (int)f[5]));
        }
    }

    [Fact]
    public async Task TryNext_ByteByByte_GivesTheSameFrames()
    {
        byte[] bytes = [.. Frame(0, 1), .. Frame(5, 2)];
        Assert.Equal([20, 25], (await ReadAllAsync(Trusting(new Pieces([.. bytes.Select(b => new[] { b })])))).Select(f => f.Length));
    }

    [Fact]
    public async Task TryNext_LargestFrame_IsRead()
    {
        var frame = Frame(PeerFrameHeader.MaxFrame - PeerFrameHeader.Size, 7);
        new Random(1).NextBytes(frame.AsSpan(PeerFrameHeader.Size));
        byte[] bytes = [.. frame, .. Frame(1, 8)];
        var frames = await ReadAllAsync(Trusting(new Pieces([.. bytes.Chunk(10_000)])));
        Assert.Equal(frame, frames[0]);
        Assert.Equal(8, frames[1][5]);
    }

    [Theory]
    [InlineData(19, PeerFrameError.LengthTooSmall)]
    [InlineData(0, PeerFrameError.LengthTooSmall)]
    [InlineData(PeerFrameHeader.MaxFrame + 1, PeerFrameError.LengthTooLarge)]
    [InlineData(-1, PeerFrameError.LengthTooLarge)]
    public async Task TryNext_ImpossibleLength_IsAnError(int length, PeerFrameError expected)
    {
        var reader = Trusting(new Pieces([.. Frame(3, 1), .. BitConverter.GetBytes(length)]));
        Assert.True(await reader.FillAsync(default));
        Assert.True(reader.TryNext(out _, out _));
        Assert.False(reader.TryNext(out _, out var error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public async Task TryNext_BeforeThePeerIsKnown_TakesNoLongerFrameThanHello()
    {
        var reader = new FrameReader(new Pieces(Frame(PeerHello.MaxSize, 1)), PeerHello.MaxSize);
        Assert.True(await reader.FillAsync(default));
        Assert.True(reader.HasFrameOrFault);
        Assert.False(reader.TryNext(out _, out var error));
        Assert.Equal(PeerFrameError.LengthTooLarge, error);
    }

    [Fact]
    public async Task FillAndTryNext_InSteadyState_AllocateNothing()
    {
        byte[] bytes = [.. Enumerable.Range(0, 1000).SelectMany(i => Frame(21, (byte)i))];
        var source = new MemoryStream(bytes);
        var reader = Trusting(source);
        long before = 0;
        for (var round = 0; round < 3; round++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            source.Position = 0;
            var frames = 0;
            while (frames < 1000)
            {
                Assert.True(await reader.FillAsync(default));
                while (reader.TryNext(out _, out _))
                {
                    frames++;
                }
            }
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static FrameReader Trusting(Stream stream)
    {
        var reader = new FrameReader(stream, PeerHello.MaxSize);
        reader.Trust();
        return reader;
    }

    private static byte[] Frame(int body, byte flags)
    {
        var frame = new byte[PeerFrameHeader.Size + body];
        new PeerFrameHeader(PeerFrameType.Touch, flags, 0, 0, 0).Write(frame, frame.Length);
        return frame;
    }

    private static async Task<List<byte[]>> ReadAllAsync(FrameReader reader)
    {
        var frames = new List<byte[]>();
        while (await reader.FillAsync(default))
        {
            while (reader.TryNext(out var frame, out var error))
            {
                frames.Add(frame.ToArray());
                Assert.Equal(PeerFrameError.None, error);
            }
        }

        return frames;
    }

    /// <summary>A stream that gives one piece a read.</summary>
    private sealed class Pieces(params byte[][] pieces) : MemoryStream
    {
        private int _piece;
        private int _at;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_piece == pieces.Length)
            {
                return new ValueTask<int>(0);
            }

            var rest = pieces[_piece].AsSpan(_at);
            var n = Math.Min(rest.Length, buffer.Length);
            rest[..n].CopyTo(buffer.Span);
            _at += n;
            if (_at == pieces[_piece].Length)
            {
                _piece++;
                _at = 0;
            }

            return new ValueTask<int>(n);
        }
    }
}
