using System.Buffers.Binary;

namespace ActorLb.Protocol.Peer;

/// <summary>
/// The 20 bytes before every frame, little endian: <c>length u32 | type u8 | flags u8 | shard u16 | request id u32 | epoch u64</c>.
/// The length counts the header.
/// </summary>
public readonly record struct PeerFrameHeader(PeerFrameType Type, byte Flags, ushort Shard, uint RequestId, ulong Epoch)
{
    public const int Size = 20;

    /// <summary>Largest frame: a table of 4,096 shards is 24 KB, a snapshot chunk at most 64 KB.</summary>
    public const int MaxFrame = 1 << 20;

    public PeerCallFlags CallFlags => (PeerCallFlags)Flags;

    public void Write(Span<byte> into, int length)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(into, (uint)length);
        into[4] = (byte)Type;
        into[5] = Flags;
        BinaryPrimitives.WriteUInt16LittleEndian(into[6..], Shard);
        BinaryPrimitives.WriteUInt32LittleEndian(into[8..], RequestId);
        BinaryPrimitives.WriteUInt64LittleEndian(into[12..], Epoch);
    }

    /// <summary>Length of the frame at the beginning of a stream's bytes.</summary>
    /// <returns>0 with <see cref="PeerFrameError.None"/> while fewer than four bytes are there.</returns>
    public static int PeekLength(ReadOnlySpan<byte> stream, out PeerFrameError error)
    {
        error = PeerFrameError.None;
        if (stream.Length < 4)
        {
            return 0;
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(stream);
        error = length < Size ? PeerFrameError.LengthTooSmall : length > MaxFrame ? PeerFrameError.LengthTooLarge : PeerFrameError.None;
        return error == PeerFrameError.None ? (int)length : 0;
    }

    /// <summary>Reads the header of exactly one frame.</summary>
    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerFrameHeader header)
    {
        header = default;
        if (frame.Length < Size)
        {
            return PeerFrameError.HeaderTooShort;
        }

        var length = PeekLength(frame, out var error);
        if (error != PeerFrameError.None)
        {
            return error;
        }

        if (length != frame.Length)
        {
            return PeerFrameError.LengthMismatch;
        }

        var type = (PeerFrameType)frame[4];
        if (type is < PeerFrameType.Hello or > PeerFrameType.Ready)
        {
            return PeerFrameError.UnknownType;
        }

        header = new PeerFrameHeader(
            type, frame[5], BinaryPrimitives.ReadUInt16LittleEndian(frame[6..]), BinaryPrimitives.ReadUInt32LittleEndian(frame[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(frame[12..]));
        return PeerFrameError.None;
    }
}
