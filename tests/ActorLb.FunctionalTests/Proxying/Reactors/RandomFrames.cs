using System.Buffers.Binary;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Reactors;

/// <summary>MQTT, frames and cuts by chance, around the sizes of buffers and records. One seed makes one case.</summary>
internal sealed class RandomFrames(int seed)
{
    private static readonly int[] Sizes = [0, 1, 2, 125, 126, 127, 1024, 4096, 8192, 16384, 65536];

    private readonly Random _random = new(seed);

    public bool NextBool() => _random.Next(2) == 0;

    /// <summary>Up to 200 KB of PUBLISHes.</summary>
    public byte[] Publishes()
    {
        var all = new List<byte>();
        for (int count = _random.Next(1, 12); count > 0 && all.Count < 130_000; count--)
        {
            byte[] payload = new byte[Size()];
            _random.NextBytes(payload);
            all.AddRange(ConnectBytes.Publish("t", payload));
        }

        return [.. all];
    }

    /// <summary>The stream in frames and fragments, with control frames between them, now and then more of those than a read takes.</summary>
    /// <param name="masked">A client's.</param>
    public byte[] Frame(ReadOnlySpan<byte> stream, bool masked)
    {
        var all = new List<byte>();
        bool within = false;
        do
        {
            Controls(all, masked);
            int length = Math.Min(Math.Min(Size(), 65536), stream.Length);
            bool final = length == stream.Length || !NextBool();
            Append(all, (byte)((final ? 0x80 : 0) | (within ? 0 : 2)), stream[..length], masked);
            within = !final;
            stream = stream[length..];
        }
        while (!stream.IsEmpty || within);
        if (NextBool())
            Controls(all, masked);
        return [.. all];
    }

    /// <summary>Where the bytes are cut, in order; all of them glued in one case of three.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Cut(byte[] bytes)
    {
        bool whole = _random.Next(3) == 0;
        for (int at = 0; at < bytes.Length;)
        {
            int length = whole ? bytes.Length : Math.Min(bytes.Length - at, Math.Max(1, Size()));
            yield return bytes.AsMemory(at, length);
            at += length;
        }
    }

    /// <summary>What the data frames hold that have come, the last of them in part.</summary>
    public static byte[] Data(ReadOnlySpan<byte> bytes)
    {
        var data = new List<byte>();
        while (bytes.Length >= 2)
        {
            bool masked = (bytes[1] & 0x80) != 0;
            long length = bytes[1] & 0x7F;
            int header = 2 + (length switch { 126 => 2, 127 => 8, _ => 0 }) + (masked ? 4 : 0);
            if (bytes.Length < header)
                break;
            if (length == 126)
                length = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
            else if (length == 127)
                length = BinaryPrimitives.ReadInt64BigEndian(bytes[2..]);
            byte[] payload = bytes[header..(int)Math.Min(bytes.Length, header + length)].ToArray();
            for (int i = 0; masked && i < payload.Length; i++)
                payload[i] ^= bytes[header - 4 + (i & 3)];
            if ((bytes[0] & 0x08) == 0)
                data.AddRange(payload);
            bytes = bytes[(header + payload.Length)..];
        }

        return [.. data];
    }

    private int Size()
    {
        int size = Sizes[_random.Next(Sizes.Length)];
        return Math.Max(0, size + (NextBool() ? 0 : _random.Next(-8, 9)));
    }

    private void Controls(List<byte> all, bool masked)
    {
        int count = _random.Next(8) switch { 0 => 1, 1 => _random.Next(1, 20), 2 => 680 + _random.Next(10), 3 => 1360 + _random.Next(60), _ => 0 };
        byte[] payload = new byte[NextBool() ? 0 : _random.Next(126)];
        for (int i = 0; i < count; i++)
            Append(all, (byte)(NextBool() ? 0x89 : 0x8A), count > 100 ? [] : payload, masked);
    }

    private void Append(List<byte> all, byte first, ReadOnlySpan<byte> payload, bool masked)
    {
        all.Add(first);
        int bit = masked ? 0x80 : 0;
        if (payload.Length < 126)
        {
            all.Add((byte)(bit | payload.Length));
        }
        else if (payload.Length <= ushort.MaxValue)
        {
            all.AddRange([(byte)(bit | 126), (byte)(payload.Length >> 8), (byte)payload.Length]);
        }
        else
        {
            all.AddRange([(byte)(bit | 127), 0, 0, 0, 0, 0, (byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length]);
        }

        byte[] mask = new byte[4];
        if (masked)
        {
            _random.NextBytes(mask);
            all.AddRange(mask);
        }

        for (int i = 0; i < payload.Length; i++)
            all.Add((byte)(payload[i] ^ mask[i & 3]));
    }
}
