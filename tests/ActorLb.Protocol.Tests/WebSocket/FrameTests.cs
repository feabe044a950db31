using System.Text;
using ActorLb.Protocol.WebSocket;
using FsCheck;
using FsCheck.Fluent;

namespace ActorLb.Protocol.Tests.WebSocket;

public sealed class FrameTests
{
    public static TheoryData<MalformedFrame> Malformed => [.. MalformedFrames.All];

    /// <summary>What a stream of frames says: payload bytes together, control frames in their places.</summary>
    private sealed class Transcript
    {
        private readonly StringBuilder _text = new();
        private bool _inPayload;

        public FrameError Error { get; set; }

        public void Add(FrameEvent kind, ReadOnlySpan<byte> bytes)
        {
            if (kind != FrameEvent.Payload || !_inPayload) _text.Append(' ').Append(kind).Append(' ');
            _text.Append(Convert.ToHexString(bytes));
            _inPayload = kind == FrameEvent.Payload;
        }

        public override string ToString() => Error == FrameError.None ? _text.ToString() : $"{_text} {Error}";
    }

    [Fact]
    public void Reader_OfTheSpecificationsExample()
    {
        // RFC 6455, 5.7, with the opcode of a binary message.
        byte[] masked = [0x82, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
        Assert.Equal(" Payload 48656C6C6F", Run(masked, FrameSender.Client, masked.Length).ToString());
        byte[] fragments = [0x02, 3, .. "Hel"u8, 0x80, 2, .. "lo"u8];
        Assert.Equal(" Payload 48656C6C6F", Run(fragments, FrameSender.Server, fragments.Length).ToString());
    }

    [Theory]
    [InlineData(FrameSender.Client)]
    [InlineData(FrameSender.Server)]
    public void Reader_EverySplitPoint_SameTranscript(FrameSender sender)
    {
        byte[] stream = Stream(sender);
        string whole = Run(stream, sender, stream.Length).ToString();
        Assert.Contains(" Ping 70696E67", whole, StringComparison.Ordinal);
        Assert.EndsWith(" Close 03E9627965", whole, StringComparison.Ordinal);
        for (int split = 0; split <= stream.Length; split++) Assert.Equal(whole, Run(stream, sender, split).ToString());
        Assert.Equal(whole, Run(stream, sender, 1, 1).ToString());
        Assert.Equal(whole, Run(stream, sender, 7, 7).ToString());
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Reader_Malformed_RefusedAtEverySplitPoint(MalformedFrame sample)
    {
        int step = sample.Bytes.Length > 1000 ? 997 : 1;
        for (int split = 0; split <= sample.Bytes.Length; split += step)
            Assert.Equal(sample.Expected, Run(sample.Bytes, FrameSender.Client, split).Error);
    }

    [Theory]
    [InlineData(FrameError.Text, 1003)]
    [InlineData(FrameError.Mask, 1002)]
    [InlineData(FrameError.ReservedBits, 1002)]
    [InlineData(FrameError.FrameTooLarge, 1009)]
    [InlineData(FrameError.MessageTooLarge, 1009)]
    [InlineData(FrameError.CloseReason, 1007)]
    public void Error_HasItsCloseCode(FrameError error, ushort code) => Assert.Equal(code, FrameErrors.CloseCodeFor(error));

    [Fact]
    public void Corpus_CoversEveryReason()
    {
        Assert.True(MalformedFrames.All.Count >= 40);
        Assert.Equal(
            Enum.GetValues<FrameError>().Where(e => e != FrameError.None).Order(),
            MalformedFrames.All.Select(m => m.Expected).Distinct().Order());
    }

    [Fact]
    public void Reader_ServerFrameMasked_Refused() =>
        Assert.Equal(FrameError.Mask, Run(MalformedFrames.Masked(0x82, [1]), FrameSender.Server, 3).Error);

    [Fact]
    public void Reader_AfterClose_SwallowsAll()
    {
        var reader = new FrameReader(FrameSender.Server, 1000);
        byte[] bytes = [0x88, 0, 0x82, 1, 5];
        Assert.Equal(FrameEvent.Close, reader.Read(bytes, out int consumed, out _));
        Assert.Equal((2, CloseCodes.None), (consumed, reader.CloseCode));
        Assert.Equal(FrameEvent.NeedMore, reader.Read(bytes.AsSpan(2), out consumed, out _));
        Assert.Equal(3, consumed);
    }

    [Fact]
    public void Reader_HeldBytes_WithinItsBound()
    {
        byte[] ping = MalformedFrames.Masked(0x89, new byte[125]);
        Assert.Equal(FrameReader.MaxHeldLength, ping.Length - 1);
        var reader = new FrameReader(FrameSender.Client, 1000);
        Assert.Equal(FrameEvent.NeedMore, reader.Read(ping.AsSpan(0, ping.Length - 1), out int consumed, out _));
        Assert.Equal(0, consumed);
        Assert.Equal(FrameEvent.Ping, reader.Read(ping, out consumed, out var payload));
        Assert.Equal((ping.Length, 125), (consumed, payload.Length));
    }

    [Theory]
    [InlineData(FrameSender.Client)]
    [InlineData(FrameSender.Server)]
    public void Tracker_EverySplitPoint_SameCount(FrameSender sender)
    {
        byte[] stream = Stream(sender);
        var whole = new FrameTracker(sender, MalformedFrames.MaxFrameSize);
        int frames = whole.Advance(stream);
        Assert.Equal((10, true, true), (frames, whole.AtBoundary, whole.CloseSeen));
        var single = new FrameTracker(sender, MalformedFrames.MaxFrameSize);
        List<int> ends = [], messageEnds = [];
        for (int i = 0; i < stream.Length; i++)
        {
            single.Advance(stream.AsSpan(i, 1));
            if (single.AtBoundary) ends.Add(i + 1);
            if (single.AtMessageBoundary) messageEnds.Add(i + 1);
        }
        Assert.Equal(10, ends.Count);
        Assert.InRange(messageEnds.Count, 1, 9);
        for (int split = 0; split <= stream.Length; split++)
        {
            var tracker = new FrameTracker(sender, MalformedFrames.MaxFrameSize);
            Assert.Equal(ends.Count(e => e <= split), tracker.Advance(stream.AsSpan(0, split)));
            int next = tracker.AtMessageBoundary ? 0 : messageEnds.First(e => e > split) - split;
            Assert.Equal(next, tracker.AdvanceToMessageBoundary(stream.AsSpan(split)));
            Assert.Equal(ends.Count(e => e > split + next), tracker.Advance(stream.AsSpan(split + next)));
            Assert.Equal(FrameError.None, tracker.Error);
        }
    }

    [Fact]
    public void Tracker_MalformedHeaders_RefusedAtEverySplitPoint()
    {
        foreach (var sample in MalformedFrames.All)
        {
            // Payloads are not its business.
            if (sample.Expected is FrameError.CloseCode or FrameError.CloseReason) continue;
            for (int split = 0; split <= sample.Bytes.Length; split++)
            {
                var tracker = new FrameTracker(FrameSender.Client, MalformedFrames.MaxFrameSize, MalformedFrames.MaxMessageSize);
                tracker.Advance(sample.Bytes.AsSpan(0, split));
                tracker.Advance(sample.Bytes.AsSpan(split));
                Assert.Equal(sample.Expected, tracker.Error);
            }
        }
    }

    [Theory]
    [InlineData(0, "8200", "8280")]
    [InlineData(125, "827D", "82FD")]
    [InlineData(126, "827E007E", "82FE007E")]
    [InlineData(65535, "827EFFFF", "82FEFFFF")]
    [InlineData(65536, "827F0000000000010000", "82FF0000000000010000")]
    [InlineData(1L << 40, "827F0000010000000000", "82FF0000010000000000")]
    public void Writer_Headers_Golden(long length, string unmasked, string masked)
    {
        Span<byte> buffer = stackalloc byte[FrameWriter.MaxHeaderLength];
        int written = FrameWriter.WriteBinaryHeader(buffer, length);
        Assert.Equal(unmasked, Convert.ToHexString(buffer[..written]));
        Assert.Equal(FrameWriter.HeaderLength(length, masked: false), written);
        written = FrameWriter.WriteBinaryHeader(buffer, length, BitConverter.ToUInt32([1, 2, 3, 4]));
        Assert.Equal(masked + "01020304", Convert.ToHexString(buffer[..written]));
        Assert.Equal(FrameWriter.HeaderLength(length, masked: true), written);
    }

    [Fact]
    public void Writer_Control_Golden()
    {
        Span<byte> buffer = stackalloc byte[FrameWriter.MaxControlLength];
        Assert.Equal("880203E9", Convert.ToHexString(buffer[..FrameWriter.WriteClose(buffer, CloseCodes.GoingAway)]));
        Assert.Equal("8800", Convert.ToHexString(buffer[..FrameWriter.WriteClose(buffer, CloseCodes.None)]));
        Assert.Equal("8A0161", Convert.ToHexString(buffer[..FrameWriter.Write(buffer, FrameOpcode.Pong, "a"u8)]));
        uint mask = BitConverter.ToUInt32([1, 2, 3, 4]);
        Assert.Equal("88820102030402EB", Convert.ToHexString(buffer[..FrameWriter.WriteClose(buffer, CloseCodes.GoingAway, mask)]));
        Assert.Equal(FrameWriter.MaxControlLength, FrameWriter.Write(buffer, FrameOpcode.Ping, new byte[125], mask));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameWriter.Write(new byte[200], FrameOpcode.Ping, new byte[126]));
    }

    [Fact]
    public void Reader_OfWritten_IsTheSame() => Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(), ArbMap.Default.ArbFor<uint>(), Gen.Choose(1, 40).ToArbitrary(), (payload, mask, step) =>
        {
            byte[] buffer = new byte[payload.Length + FrameWriter.MaxHeaderLength];
            int length = FrameWriter.Write(buffer, FrameOpcode.Binary, payload, mask);
            string expected = payload.Length == 0 ? "" : " Payload " + Convert.ToHexString(payload);
            Assert.Equal(expected, Run(buffer.AsSpan(0, length), FrameSender.Client, step, step).ToString());
            length = FrameWriter.Write(buffer, FrameOpcode.Binary, payload);
            Assert.Equal(expected, Run(buffer.AsSpan(0, length), FrameSender.Server, step, step).ToString());
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Mask_AnyLengthAndOffset_AsByteByByte()
    {
        byte[] key = [0x11, 0x22, 0x33, 0x44];
        uint mask = BitConverter.ToUInt32(key);
        for (int length = 0; length < 200; length++)
        {
            byte[] data = Enumerable.Range(0, length).Select(i => (byte)(i * 7)).ToArray();
            byte[] expected = data.Select((b, i) => (byte)(b ^ key[i & 3])).ToArray();
            for (int split = 0; split <= length; split += 3)
            {
                byte[] copy = [.. data];
                uint next = FrameMask.Apply(copy.AsSpan(0, split), mask);
                FrameMask.Apply(copy.AsSpan(split), next);
                Expect.Bytes(expected, copy);
            }
        }
    }

    /// <summary>Ten frames: whole and fragmented messages of every length form, empty ones, control frames within, a close.</summary>
    private static byte[] Stream(FrameSender sender)
    {
        uint? mask = sender == FrameSender.Client ? 0xA1B2C3D4 : null;
        var stream = new List<byte>();
        byte[] buffer = new byte[70_100];

        void Add(FrameOpcode opcode, ReadOnlySpan<byte> payload, bool final = true)
        {
            int length = FrameWriter.Write(buffer, opcode, payload, mask);
            if (!final) buffer[0] &= 0x7F;
            stream.AddRange(buffer.AsSpan(0, length));
        }

        Add(FrameOpcode.Binary, "CONNECT"u8);
        Add(FrameOpcode.Binary, default);
        Add(FrameOpcode.Binary, "frag"u8, final: false);
        Add(FrameOpcode.Ping, "ping"u8);
        Add(FrameOpcode.Continuation, default, final: false);
        Add(FrameOpcode.Continuation, "ment"u8);
        Add(FrameOpcode.Pong, default);
        Add(FrameOpcode.Binary, Enumerable.Range(0, 300).Select(i => (byte)i).ToArray());
        Add(FrameOpcode.Ping, default);
        Add(FrameOpcode.Close, [3, 0xE9, .. "bye"u8]);
        return [.. stream];
    }

    /// <summary>Feeds the stream in pieces as a connection would: what is not consumed is kept and given again with the next.</summary>
    private static Transcript Run(ReadOnlySpan<byte> stream, FrameSender sender, int first, int step = int.MaxValue)
    {
        var reader = new FrameReader(sender, MalformedFrames.MaxFrameSize, MalformedFrames.MaxMessageSize);
        var transcript = new Transcript();
        byte[] held = [];
        for (int at = 0, take = first; at < stream.Length || take == first; take = step)
        {
            take = Math.Min(take, stream.Length - at);
            byte[] bytes = [.. held, .. stream.Slice(at, take)];
            at += take;
            int position = 0;
            while (true)
            {
                var kind = reader.Read(bytes.AsSpan(position), out int consumed, out var payload);
                if (kind == FrameEvent.Invalid)
                {
                    transcript.Error = reader.Error;
                    return transcript;
                }
                if (kind != FrameEvent.NeedMore) transcript.Add(kind, payload.In(bytes.AsSpan(position)));
                position += consumed;
                if (kind == FrameEvent.NeedMore) break;
            }
            held = bytes[position..];
            Assert.True(held.Length <= FrameReader.MaxHeldLength);
            if (at >= stream.Length) break;
        }
        Assert.Empty(held);
        return transcript;
    }
}
