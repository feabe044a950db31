using ActorLb.Fleet.Membership;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// The map's messages as bytes. The numbers of the kinds are never reused; a test pins them and the fields. A later release may
/// append fields, which are ignored. No array is allocated larger than the remaining input can fill.
/// </summary>
internal static class MapWire
{
    private const int EntryBytes = 17;
    private const int SeatsBytes = 21;
    private const int PartBytes = 20;

    /// <summary>The number of the message's kind; 0 if it is not a message of the map.</summary>
    public static byte KindOf(MapMessage message) => message switch
    {
        LookupBatch => 1,
        LookupAnswers => 2,
        Replicate => 3,
        CopyHint => 4,
        ReplicateAck => 5,
        SnapshotRequest => 6,
        SnapshotChunk => 7,
        Seal => 8,
        SealAck => 9,
        Digest => 10,
        CopyQuery => 11,
        CopyAnswer => 12,
        Learn => 13,
        LearnAck => 14,
        Touch => 15,
        Offer => 16,
        OfferAck => 17,
        Announcements => 18,
        AnnouncementsRequest => 19,
        MapMessages => 20,
        _ => 0,
    };

    public static void Write(ref WireWriter writer, MapMessage message)
    {
        switch (message)
        {
            case LookupBatch m: LookupWire.Write(ref writer, m); break;
            case LookupAnswers m: LookupWire.Write(ref writer, m); break;
            case Announcements m: WriteAnnouncements(ref writer, m); break;
            case MapMessages m: WriteMany(ref writer, m); break;
            case ShardMessage m:
                writer.UInt16(m.Shard);
                writer.UInt64(m.Epoch);
                WriteOfShard(ref writer, m);
                break;
        }
    }

    /// <summary>Null for a kind unknown to this release.</summary>
    public static MapMessage? Read(ref WireReader reader, int kind) => kind switch
    {
        1 => LookupWire.ReadBatch(ref reader),
        2 => LookupWire.ReadAnswers(ref reader),
        >= 3 and <= 17 => ReadOfShard(ref reader, kind, reader.UInt16(), reader.UInt64()),
        18 => ReadAnnouncements(ref reader),
        19 => new AnnouncementsRequest(),
        20 => ReadMany(ref reader),
        _ => null,
    };

    private static void WriteOfShard(ref WireWriter writer, ShardMessage message)
    {
        switch (message)
        {
            case Replicate m:
                writer.UInt64(m.First);
                WriteOps(ref writer, m.Ops);
                break;
            case CopyHint m:
                writer.UInt64(m.Next);
                writer.Byte(Flags(m.IsStreaming, false));
                break;
            case ReplicateAck m:
                writer.UInt64(m.Applied);
                writer.Byte(Flags(m.Resend, m.IsComplete));
                break;
            case SnapshotRequest m:
                writer.UInt16(m.Partition);
                writer.Byte(Flags(m.Follow, false));
                break;
            case SnapshotChunk m:
                writer.Byte(Flags(m.IsLast, false));
                WriteParts(ref writer, m.Parts);
                break;
            case Seal m: writer.UInt64(m.Final); break;
            case SealAck m: writer.UInt64(m.Applied); break;
            case CopyAnswer m:
                writer.UInt64(m.HeldEpoch);
                writer.UInt64(m.Sequence);
                writer.Byte(Flags(m.IsServing, m.IsOffered));
                break;
            default: WriteOfPartition(ref writer, message); break;
        }
    }

    private static void WriteOfPartition(ref WireWriter writer, ShardMessage message)
    {
        switch (message)
        {
            case Digest m:
                writer.UInt16(m.Partition);
                writer.UInt64(m.Sequence);
                writer.Int32(m.Count);
                writer.UInt64(m.Value);
                break;
            case Learn m:
                writer.UInt16(m.Partition);
                writer.UInt32(m.Version);
                WriteEntries(ref writer, m.Entries);
                break;
            case LearnAck m:
                writer.UInt16(m.Partition);
                writer.UInt32(m.Version);
                break;
            case Touch m:
                writer.UInt16(m.Partition);
                WriteEntries(ref writer, m.Entries);
                break;
            case Offer m:
                writer.UInt16(m.Partition);
                writer.Int32(m.Place);
                WriteEntries(ref writer, m.Entries);
                break;
            case OfferAck m:
                writer.UInt16(m.Partition);
                writer.Int32(m.Place);
                break;
        }
    }

    private static MapMessage ReadOfShard(ref WireReader reader, int kind, ushort shard, ulong epoch)
    {
        switch (kind)
        {
            case 3: return new Replicate(shard, epoch, reader.UInt64(), ReadOps(ref reader));
            case 4: return new CopyHint(shard, epoch, reader.UInt64(), (reader.Byte() & 1) != 0);
            case 5:
                ulong applied = reader.UInt64();
                byte state = reader.Byte();
                return new ReplicateAck(shard, epoch, applied, (state & 1) != 0, (state & 2) != 0);
            case 6: return new SnapshotRequest(shard, epoch, reader.UInt16(), (reader.Byte() & 1) != 0);
            case 7:
                bool isLast = (reader.Byte() & 1) != 0;
                return new SnapshotChunk(shard, epoch, ReadParts(ref reader), isLast);
            case 8: return new Seal(shard, epoch, reader.UInt64());
            case 9: return new SealAck(shard, epoch, reader.UInt64());
            case 10: return new Digest(shard, epoch, reader.UInt16(), reader.UInt64(), reader.Int32(), reader.UInt64());
            case 11: return new CopyQuery(shard, epoch);
            case 12:
                ulong held = reader.UInt64(), sequence = reader.UInt64();
                byte flags = reader.Byte();
                return new CopyAnswer(shard, epoch, held, sequence, (flags & 1) != 0, (flags & 2) != 0);
            case 13: return new Learn(shard, epoch, reader.UInt16(), reader.UInt32(), ReadEntries(ref reader));
            case 14: return new LearnAck(shard, epoch, reader.UInt16(), reader.UInt32());
            case 15: return new Touch(shard, epoch, reader.UInt16(), ReadEntries(ref reader));
            case 16: return new Offer(shard, epoch, reader.UInt16(), reader.Int32(), ReadEntries(ref reader));
            default: return new OfferAck(shard, epoch, reader.UInt16(), reader.Int32());
        }
    }

    /// <summary>Bytes of a message; exact for lookups, the most frequent messages.</summary>
    public static int SizeOf(MapMessage message) => message switch
    {
        LookupBatch batch => LookupWire.SizeOf(batch),
        LookupAnswers answers => LookupWire.SizeOf(answers),
        _ => message.Size,
    };

    private static void WriteEntry(ref WireWriter writer, in MapEntry entry)
    {
        writer.UInt64(entry.H);
        writer.UInt32(entry.Backend);
        writer.UInt32(entry.Age);
        writer.Byte((byte)entry.Flags);
    }

    private static MapEntry ReadEntry(ref WireReader reader) =>
        new(reader.UInt64(), reader.UInt32(), reader.UInt32(), (EntryFlags)reader.Byte());

    private static void WriteEntries(ref WireWriter writer, MapEntry[] entries)
    {
        writer.UInt16((ushort)entries.Length);
        foreach (ref readonly var entry in entries.AsSpan()) WriteEntry(ref writer, entry);
    }

    private static MapEntry[] ReadEntries(ref WireReader reader)
    {
        var entries = new MapEntry[reader.Count(ushort.MaxValue, EntryBytes)];
        foreach (ref var entry in entries.AsSpan()) entry = ReadEntry(ref reader);
        return entries;
    }

    private static void WriteOps(ref WireWriter writer, MapOp[] ops)
    {
        writer.UInt16((ushort)ops.Length);
        foreach (ref readonly var op in ops.AsSpan())
        {
            writer.Byte((byte)op.Kind);
            WriteEntry(ref writer, op.Entry);
        }
    }

    private static MapOp[] ReadOps(ref WireReader reader)
    {
        var ops = new MapOp[reader.Count(ushort.MaxValue, EntryBytes + 1)];
        foreach (ref var op in ops.AsSpan()) op = new MapOp((LogOpKind)reader.Byte(), ReadEntry(ref reader));
        return ops;
    }

    private static void WriteParts(ref WireWriter writer, SnapshotPart[] parts)
    {
        writer.UInt16((ushort)parts.Length);
        foreach (ref readonly var part in parts.AsSpan())
        {
            writer.UInt16(part.Partition);
            writer.UInt64(part.Sequence);
            writer.Int32(part.Total);
            writer.Int32(part.Offset);
            WriteEntries(ref writer, part.Entries);
        }
    }

    private static SnapshotPart[] ReadParts(ref WireReader reader)
    {
        var parts = new SnapshotPart[reader.Count(ushort.MaxValue, PartBytes)];
        foreach (ref var part in parts.AsSpan())
        {
            part = new SnapshotPart(reader.UInt16(), reader.UInt64(), reader.Int32(), reader.Int32(), ReadEntries(ref reader));
        }
        return parts;
    }

    private static void WriteAnnouncements(ref WireWriter writer, Announcements message)
    {
        writer.UInt16((ushort)message.Members.Length);
        foreach (var member in message.Members)
        {
            writer.Text(member.Name);
            writer.UInt64(member.Incarnation);
        }
        writer.UInt16((ushort)message.Items.Length);
        foreach (ref readonly var item in message.Items.AsSpan())
        {
            writer.UInt16(item.Shard);
            writer.UInt64(item.Epoch);
            writer.UInt32(item.Version);
            writer.UInt16((ushort)item.Owner);
            writer.UInt16((ushort)item.Replica);
            writer.UInt16((ushort)item.Next);
            writer.Byte((byte)item.Flags);
        }
    }

    private static Announcements ReadAnnouncements(ref WireReader reader)
    {
        var members = new MemberId[reader.Count(ushort.MaxValue, leastBytes: 10)];
        foreach (ref var member in members.AsSpan()) member = new MemberId(reader.Text(Hello.MaxText), reader.UInt64());
        var items = new AnnouncedSeats[reader.Count(ushort.MaxValue, SeatsBytes)];
        foreach (ref var item in items.AsSpan())
        {
            item = new AnnouncedSeats(
                reader.UInt16(), reader.UInt64(), reader.UInt32(), (short)reader.UInt16(), (short)reader.UInt16(), (short)reader.UInt16(),
                (SeatFlags)reader.Byte());
        }
        return new Announcements(members, items);
    }

    private static void WriteMany(ref WireWriter writer, MapMessages messages)
    {
        writer.UInt16((ushort)messages.Items.Length);
        foreach (var item in messages.Items)
        {
            writer.Byte(KindOf(item));
            int at = writer.Length;
            writer.Int32(0);
            Write(ref writer, item);
            writer.SetInt32(at, writer.Length - at - 4);
        }
    }

    private static MapMessages ReadMany(ref WireReader reader)
    {
        var items = new MapMessage[reader.Count(ushort.MaxValue, leastBytes: 5)];
        int known = 0;
        for (int i = 0; i < items.Length; i++)
        {
            int kind = reader.Byte();
            var inner = reader.Part(reader.Int32());
            // Nesting is not allowed; unknown messages of a later release are skipped.
            if (kind == 20) reader.Reject();
            else if (Read(ref inner, kind) is { } message) items[known++] = message;
            if (!inner.IsValid) reader.Reject();
        }
        return new MapMessages(known == items.Length ? items : items[..known]);
    }

    private static byte Flags(bool first, bool second) => (byte)((first ? 1 : 0) | (second ? 2 : 0));
}
