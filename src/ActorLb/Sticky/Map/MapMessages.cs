using System.Runtime.CompilerServices;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// The messages between the maps of two nodes, immutable once sent. The reader of the wire format guarantees that no array is
/// null; the map checks the content. None exceeds 64 KiB.
/// </summary>
internal abstract record MapMessage
{
    /// <summary>An upper estimate of the bytes on the wire, used to pack messages up to a limit.</summary>
    public virtual int Size => 64;
}

/// <summary>Messages about copies that are sent to one member together. Never nested.</summary>
internal sealed record MapMessages(MapMessage[] Items) : MapMessage;

internal static class MapLimits
{
    /// <summary>The most lookups in one message.</summary>
    public const int MaxBatch = 256;

    /// <summary>The most entries in one message.</summary>
    public const int MaxEntries = 2048;

    /// <summary>The most changes in one message.</summary>
    public const int MaxOps = 1024;

    /// <summary>The most bytes in one <see cref="MapMessages"/>.</summary>
    public const int MaxBytes = 60_000;
}

internal enum LookupKind : byte
{
    /// <summary>Returns the entry, or assigns the first eligible proposal. Without proposals it only reads.</summary>
    GetOrAssign = 1,

    /// <summary>Moves the client away from the expected backend.</summary>
    Reassign = 2,

    /// <summary>An operator's order: assigns the proposal and replaces any entry.</summary>
    Force = 3,

    /// <summary>An operator's order: removes the entry.</summary>
    Remove = 4,

    /// <summary>Reads any copy, because the owner didn't answer.</summary>
    Read = 5,
}

/// <summary>Up to <see cref="StickyLimits.MaxProposals"/> backends, by <see cref="BackendRef.Value"/>.</summary>
[InlineArray(StickyLimits.MaxProposals)]
internal struct LookupProposals
{
    private uint _first;
}

/// <param name="Id">The asker's id of the lookup, returned with the answer.</param>
/// <param name="Count">The number of proposals.</param>
/// <param name="Epoch">The ownership epoch that the asker knows: a node with an older one must not answer.</param>
/// <param name="Expected">The backend to move away from; 0 for none.</param>
internal readonly record struct LookupRequest(
    uint Id, LookupKind Kind, byte Count, ulong H, ulong Epoch, uint Expected, LookupProposals Proposals);

internal sealed record LookupBatch(ulong Number, LookupRequest[] Items) : MapMessage
{
    public override int Size => 16 + (Items.Length * 64);
}

internal enum AnswerStatus : byte
{
    /// <summary>The entry existed.</summary>
    Found = 1,

    /// <summary>The entry was created or moved.</summary>
    Assigned = 2,

    /// <summary>The client is unknown. Only the owner and a complete copy may answer this.</summary>
    None = 3,

    /// <summary>The shard is opening, or the copy is incomplete.</summary>
    NotReady = 4,

    /// <summary>The shard is not open on this node, or the asker knows a newer ownership than this node.</summary>
    NotHere = 5,
}

/// <param name="IsRead">Answers a <see cref="LookupKind.Read"/>.</param>
/// <param name="Partition">The client's partition.</param>
/// <param name="Epoch">The answering node's epoch.</param>
internal readonly record struct LookupAnswer(
    uint Id, AnswerStatus Status, bool IsRead, ushort Partition, uint Backend, ulong Epoch);

internal sealed record LookupAnswers(ulong Number, LookupAnswer[] Items) : MapMessage
{
    public override int Size => 16 + (Items.Length * 24);
}

[Flags]
internal enum EntryFlags : byte
{
    None = 0,

    /// <summary>The age refers to a session's end or keep-alive, not to its beginning.</summary>
    Refreshed = 1,

    /// <summary>The session was opened without the owner's answer.</summary>
    FellBack = 2,

    /// <summary>The backend did not accept the client for whom the entry was created; the age refers to the answer.</summary>
    Refused = 4,
}

/// <summary>A client and its backend. Nodes exchange ages, never times, so their clocks need not agree.</summary>
/// <param name="Age">In milliseconds.</param>
internal readonly record struct MapEntry(ulong H, uint Backend, uint Age, EntryFlags Flags);

/// <param name="Entry">For a removal only the key is set.</param>
internal readonly record struct MapOp(LogOpKind Kind, MapEntry Entry);

/// <summary>A message about one shard, with the epoch that the sender knows.</summary>
internal abstract record ShardMessage(ushort Shard, ulong Epoch) : MapMessage;

/// <summary>Owner to copy: changes, numbered from <paramref name="First"/>.</summary>
internal sealed record Replicate(ushort Shard, ulong Epoch, ulong First, MapOp[] Ops) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Ops.Length * 18);
}

/// <summary>Owner to copy: report your state, or request a snapshot.</summary>
/// <param name="Next">Number of the next change.</param>
/// <param name="IsStreaming">Changes are being sent to the copy, so a snapshot in progress stays usable.</param>
internal sealed record CopyHint(ushort Shard, ulong Epoch, ulong Next, bool IsStreaming) : ShardMessage(Shard, Epoch);

/// <summary>Copy to owner.</summary>
/// <param name="Applied">Number of the last change that the copy has.</param>
/// <param name="Resend">A later change is missing and must be sent again.</param>
/// <param name="IsComplete">The copy holds everything up to <paramref name="Applied"/>.</param>
internal sealed record ReplicateAck(ushort Shard, ulong Epoch, ulong Applied, bool Resend, bool IsComplete) : ShardMessage(Shard, Epoch);

/// <summary>
/// Requests entries, starting with a partition. The holder sends a few partitions, then the receiver requests the next.
/// </summary>
/// <param name="Epoch">The epoch of the requested content.</param>
/// <param name="Follow">The receiver is a copy that will follow the log; else it opens the shard with this content.</param>
internal sealed record SnapshotRequest(ushort Shard, ulong Epoch, ushort Partition, bool Follow) : ShardMessage(Shard, Epoch);

/// <param name="Sequence">Number of the last change included in the partition.</param>
/// <param name="Total">Number of entries in the partition.</param>
/// <param name="Offset">Number of entries in earlier parts.</param>
internal readonly record struct SnapshotPart(ushort Partition, ulong Sequence, int Total, int Offset, MapEntry[] Entries);

/// <param name="IsLast">The holder sends no more until the next request.</param>
internal sealed record SnapshotChunk(ushort Shard, ulong Epoch, SnapshotPart[] Parts, bool IsLast) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + Parts.Sum(p => 24 + (p.Entries.Length * 17));
}

/// <summary>Owner to copy: this is the last change. A node that has all of them may open the shard.</summary>
internal sealed record Seal(ushort Shard, ulong Epoch, ulong Final) : ShardMessage(Shard, Epoch);

/// <summary>Copy to sealing owner: confirms the seal.</summary>
internal sealed record SealAck(ushort Shard, ulong Epoch, ulong Applied) : ShardMessage(Shard, Epoch);

/// <summary>Owner to copy: a digest of a partition after a change, as count and XOR.</summary>
internal sealed record Digest(ushort Shard, ulong Epoch, ushort Partition, ulong Sequence, int Count, ulong Value) : ShardMessage(Shard, Epoch);

/// <summary>A node that opens a shard asks the other members what they hold of it.</summary>
internal sealed record CopyQuery(ushort Shard, ulong Epoch) : ShardMessage(Shard, Epoch);

/// <param name="Epoch">The highest epoch that the answering node has seen.</param>
/// <param name="HeldEpoch">The epoch of the content that it holds; 0 for none.</param>
/// <param name="Sequence">Number of the last change in that content.</param>
/// <param name="IsServing">It still owns the shard, or is handing it over.</param>
/// <param name="IsOffered">
/// Left from an ownership that ended without a hand-over; will be offered to the new owner anyway.
/// </param>
internal sealed record CopyAnswer(
    ushort Shard, ulong Epoch, ulong HeldEpoch, ulong Sequence, bool IsServing, bool IsOffered) : ShardMessage(Shard, Epoch);

/// <summary>The sender's live sessions of one partition.</summary>
/// <param name="Version">Returned by the owner in <see cref="LearnAck"/>.</param>
internal sealed record Learn(ushort Shard, ulong Epoch, ushort Partition, uint Version, MapEntry[] Entries) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Entries.Length * 17);
}

internal sealed record LearnAck(ushort Shard, ulong Epoch, ushort Partition, uint Version) : ShardMessage(Shard, Epoch);

/// <summary>Ends and keep-alives of the sender's sessions.</summary>
internal sealed record Touch(ushort Shard, ulong Epoch, ushort Partition, MapEntry[] Entries) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Entries.Length * 17);
}

/// <summary>Entries of a former owner, of which the owner adds the missing ones.</summary>
/// <param name="Place">Position of the first in the partition, returned in <see cref="OfferAck"/>.</param>
internal sealed record Offer(ushort Shard, ulong Epoch, ushort Partition, int Place, MapEntry[] Entries) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Entries.Length * 17);
}

internal sealed record OfferAck(ushort Shard, ulong Epoch, ushort Partition, int Place) : ShardMessage(Shard, Epoch);

[Flags]
internal enum SeatFlags : byte
{
    None = 0,
    ReplicaIsComplete = 1,
    NextIsComplete = 2,

    /// <summary>The shard is no longer open there: a new owner needs a higher epoch.</summary>
    IsOver = 4,
}

/// <summary>A <see cref="ShardAnnouncement"/> on the wire, with members as indexes; -1 for none.</summary>
internal readonly record struct AnnouncedSeats(
    ushort Shard, ulong Epoch, uint Version, short Owner, short Replica, short Next, SeatFlags Flags);

internal sealed record Announcements(MemberId[] Members, AnnouncedSeats[] Items) : MapMessage
{
    public override int Size => 16 + (Members.Length * 80) + (Items.Length * 24);
}

/// <summary>Requests announcements of the shards that the receiver owns, and of those it knows of.</summary>
internal sealed record AnnouncementsRequest : MapMessage;

/// <summary>
/// Sends messages to other members. Called by any thread, sometimes under a lock of the map, so it must neither block nor call
/// back synchronously. Messages of one kind to one member should keep their order; any may be lost.
/// </summary>
internal interface IMapTransport
{
    void Send(MemberId to, MapMessage message);
}
