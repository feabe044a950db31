using ActorLb.Protocol;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Fuzz.Targets;

/// <summary>Frames of both senders: whole and split inputs must say the same.</summary>
internal sealed class FrameTarget : FuzzTarget
{
    private readonly byte[] _copy = new byte[2048];

    public override string Name => "frame";

    public override byte[][] Seeds { get; } =
    [
        .. Often(20, MalformedFrames.Masked(0x82, "CONNECT"u8), [0x82, 3, 1, 2, 3, 0x8A, 0]),
        [.. MalformedFrames.Masked(0x02, "a"u8), .. MalformedFrames.Masked(0x89, "ping"u8), .. MalformedFrames.Masked(0x80, new byte[130])],
        [.. MalformedFrames.Masked(0x8A, []), .. MalformedFrames.Masked(0x88, [3, 0xE8, (byte)'b'])],
        [0x02, 1, 7, 0x89, 2, 1, 2, 0x80, 0x7E, 0, 126, .. new byte[126], 0x88, 2, 3, 0xE9],
        .. MalformedFrames.All.Select(m => m.Bytes),
    ];

    public override void Run(Span<byte> input, uint choice)
    {
        var sender = (FrameSender)(choice >> 31);
        RunTracker(input, sender, choice);
        input.CopyTo(_copy);
        var whole = new FrameReader(sender, MalformedFrames.MaxFrameSize, MalformedFrames.MaxMessageSize);
        ulong wholeDigest = 0;
        int wholeTaken = Drain(ref whole, input, ref wholeDigest);

        var copy = _copy.AsSpan(0, input.Length);
        int split = SplitPoint(choice, input.Length);
        var parts = new FrameReader(sender, MalformedFrames.MaxFrameSize, MalformedFrames.MaxMessageSize);
        ulong digest = 0;
        int taken = Drain(ref parts, copy[..split], ref digest);
        Demand(parts.Error != FrameError.None || split - taken <= FrameReader.MaxHeldLength, "too much is held");
        taken += Drain(ref parts, copy[taken..], ref digest);
        Demand(whole.Error == parts.Error && whole.CloseCode == parts.CloseCode, "a split changes the verdict");
        Demand(wholeDigest == digest && (whole.Error != FrameError.None || wholeTaken == taken), "a split changes the payload");
    }

    private static int Drain(ref FrameReader reader, Span<byte> bytes, ref ulong digest)
    {
        int position = 0;
        while (true)
        {
            var kind = reader.Read(bytes[position..], out int consumed, out var payload);
            Demand(consumed <= bytes.Length - position && payload.End <= consumed, "takes more than there is");
            if (kind == FrameEvent.Invalid) return position;
            if (kind != FrameEvent.NeedMore && kind != FrameEvent.Payload) digest = digest * 31 + (ulong)kind;
            foreach (byte b in payload.In(bytes[position..])) digest = digest * 31 + b;
            position += consumed;
            if (kind == FrameEvent.NeedMore) return position;
        }
    }

    private static void RunTracker(ReadOnlySpan<byte> input, FrameSender sender, uint choice)
    {
        var whole = new FrameTracker(sender, MalformedFrames.MaxFrameSize);
        int frames = whole.Advance(input);
        int split = SplitPoint(choice, input.Length);
        var parts = new FrameTracker(sender, MalformedFrames.MaxFrameSize);
        int counted = parts.Advance(input[..split]) + parts.Advance(input[split..]);
        Demand(frames == counted && whole.Error == parts.Error, "a split changes the frames");
        Demand(whole.Error != FrameError.None || whole.AtBoundary == parts.AtBoundary, "a split changes the boundary");
    }
}
