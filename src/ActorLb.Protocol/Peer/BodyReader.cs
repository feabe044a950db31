using System.Buffers.Binary;
using System.Text;

namespace ActorLb.Protocol.Peer;

/// <summary>Reads a frame's body; the first fault is kept and everything after it reads as zero, so that one check at the end does.</summary>
internal ref struct BodyReader(ReadOnlySpan<byte> body)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = body;

    public PeerFrameError Error { get; private set; }

    /// <summary>The body of a frame whose header was read.</summary>
    public static BodyReader Of(ReadOnlySpan<byte> frame) => new(frame[PeerFrameHeader.Size..]);

    public byte U8() => Take(1, out var bytes) ? bytes[0] : (byte)0;

    public ushort U16() => Take(2, out var bytes) ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : (ushort)0;

    public uint U32() => Take(4, out var bytes) ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : 0;

    public ulong U64() => Take(8, out var bytes) ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;

    public uint Backend() => ((uint)U16() << 16) | U16();

    public ReadOnlySpan<byte> Bytes(int count) => Take(count, out var bytes) ? bytes : default;

    /// <summary>Items of a fixed size behind a count that was read before.</summary>
    public ReadOnlySpan<byte> Items(int count, int size, int limit)
    {
        if (count > limit)
        {
            Fail(PeerFrameError.CountTooLarge);
            return default;
        }

        return Bytes(count * size);
    }

    public ReadOnlySpan<byte> Rest() => Bytes(_rest.Length);

    public string Text(bool mayBeEmpty = false)
    {
        var bytes = Bytes(U8());
        if (Error != PeerFrameError.None)
        {
            return "";
        }

        try
        {
            if (!bytes.IsEmpty || mayBeEmpty)
            {
                return Strict.GetString(bytes);
            }
        }
        catch (DecoderFallbackException)
        {
            // Falls through: not UTF-8.
        }

        Fail(PeerFrameError.TextInvalid);
        return "";
    }

    public void Fail(PeerFrameError error)
    {
        if (Error == PeerFrameError.None)
        {
            Error = error;
        }
    }

    /// <summary>Nothing may follow.</summary>
    public PeerFrameError Finish() => Error == PeerFrameError.None && !_rest.IsEmpty ? PeerFrameError.BodyTooLong : Error;

    private bool Take(int count, out ReadOnlySpan<byte> bytes)
    {
        if (Error != PeerFrameError.None || _rest.Length < count)
        {
            Fail(PeerFrameError.BodyTooShort);
            bytes = default;
            return false;
        }

        bytes = _rest[..count];
        _rest = _rest[count..];
        return true;
    }
}
