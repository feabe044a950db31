using ActorLb.Fleet.Membership;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Fleet.Sharding;

/// <summary>Lookups and their answers as bytes: the map's most frequent messages, packed most tightly. Part of <see cref="MapWire"/>.</summary>
internal static class LookupWire
{
    private const int HeaderBytes = 10;
    private const int RequestBytes = 21;
    private const int AnswerBytes = 19;

    public static int SizeOf(LookupBatch batch)
    {
        int size = HeaderBytes;
        foreach (ref readonly var item in batch.Items.AsSpan())
        {
            size += RequestBytes + (item.Expected == 0 ? 0 : sizeof(uint)) + (sizeof(uint) * Proposals(item));
        }
        return size;
    }

    public static int SizeOf(LookupAnswers answers) => HeaderBytes + (answers.Items.Length * AnswerBytes);

    /// <summary>
    /// First byte of a request: kind in bits 0 to 2, number of proposals in bits 3 to 6, bit 7 set if a backend is expected.
    /// </summary>
    public static void Write(ref WireWriter writer, LookupBatch batch)
    {
        writer.UInt64(batch.Number);
        writer.UInt16((ushort)batch.Items.Length);
        foreach (ref readonly var item in batch.Items.AsSpan())
        {
            int count = Proposals(item);
            writer.Byte((byte)(((int)item.Kind & 7) | (count << 3) | (item.Expected == 0 ? 0 : 0x80)));
            writer.UInt32(item.Id);
            writer.UInt64(item.H);
            writer.UInt64(item.Epoch);
            if (item.Expected != 0) writer.UInt32(item.Expected);
            for (int i = 0; i < count; i++) writer.UInt32(item.Proposals[i]);
        }
    }

    public static LookupBatch ReadBatch(ref WireReader reader)
    {
        ulong number = reader.UInt64();
        var items = new LookupRequest[reader.Count(ushort.MaxValue, RequestBytes)];
        foreach (ref var item in items.AsSpan())
        {
            byte first = reader.Byte();
            int count = (first >> 3) & 15;
            if (count > StickyLimits.MaxProposals)
            {
                reader.Reject();
                break;
            }
            uint id = reader.UInt32();
            ulong h = reader.UInt64(), epoch = reader.UInt64();
            uint expected = (first & 0x80) != 0 ? reader.UInt32() : 0;
            LookupProposals proposals = default;
            for (int i = 0; i < count; i++) proposals[i] = reader.UInt32();
            item = new LookupRequest(id, (LookupKind)(first & 7), (byte)count, h, epoch, expected, proposals);
        }
        return new LookupBatch(number, items);
    }

    /// <summary>First byte of an answer: status, bit 7 set for a read.</summary>
    public static void Write(ref WireWriter writer, LookupAnswers answers)
    {
        writer.UInt64(answers.Number);
        writer.UInt16((ushort)answers.Items.Length);
        foreach (ref readonly var item in answers.Items.AsSpan())
        {
            writer.Byte((byte)(((int)item.Status & 0x7F) | (item.IsRead ? 0x80 : 0)));
            writer.UInt32(item.Id);
            writer.UInt16(item.Partition);
            writer.UInt32(item.Backend);
            writer.UInt64(item.Epoch);
        }
    }

    public static LookupAnswers ReadAnswers(ref WireReader reader)
    {
        ulong number = reader.UInt64();
        var items = new LookupAnswer[reader.Count(ushort.MaxValue, AnswerBytes)];
        foreach (ref var item in items.AsSpan())
        {
            byte first = reader.Byte();
            item = new LookupAnswer(
                reader.UInt32(), (AnswerStatus)(first & 0x7F), (first & 0x80) != 0, reader.UInt16(), reader.UInt32(), reader.UInt64());
        }
        return new LookupAnswers(number, items);
    }

    private static int Proposals(in LookupRequest item) => Math.Min((int)item.Count, StickyLimits.MaxProposals);
}
