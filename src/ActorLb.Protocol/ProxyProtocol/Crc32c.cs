using System.Buffers.Binary;
using System.Numerics;

namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>CRC-32C (Castagnoli) as in RFC 3720, appendix B.4; uses the processor's instruction where there is one.</summary>
internal struct Crc32c
{
    private uint _inverted;

    public readonly uint Value => ~_inverted;

    public static Crc32c Start() => new() { _inverted = uint.MaxValue };

    public void Add(ReadOnlySpan<byte> bytes)
    {
        uint crc = _inverted;
        for (; bytes.Length >= 8; bytes = bytes[8..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte b in bytes) crc = BitOperations.Crc32C(crc, b);
        _inverted = crc;
    }
}
