using System.Runtime.CompilerServices;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// Everything that the maps of two nodes say to each other. A message is never changed after it was sent. Whoever reads one from the
/// wire guarantees that no array is null; whether its content makes sense is judged by the map. None takes more than 64 KiB.
/// </summary>
internal abstract record MapMessage
{
    /// <summary>Bytes on the wire, roughly and not too few: messages are packed together up to a bound.</summary>
    public virtual int Size => 64;
}

/// <summary>Messages about the copies of shards that left in one moment for one peer. Never nested.</summary>
internal sealed record MapMessages(MapMessage[] Items) : MapMessage;

internal static class MapLimits
{
    /// <summary>Lookups in one message.</summary>
    public const int MaxBatch = 256;

    /// <summary>Entries in one message.</summary>
    public const int MaxEntries = 2048;

    /// <summary>Changes in one message.</summary>
    public const int MaxOps = 1024;

    /// <summary>Bytes of the messages in one <see cref="MapMessages"/>.</summary>
    public const int MaxBytes = 60_000;
}

internal enum LookupKind : byte
{
    /// <summary>The entry, or the first eligible proposal becomes it. Without proposals it only reads.</summary>
    GetOrAssign = 1,

    /// <summary>Away from the expected backend.</summary>
    Reassign = 2,

    /// <summary>An operator's order: the proposal becomes the entry, whatever is there.</summary>
    Force = 3,

    /// <summary>An operator's order: the entry goes.</summary>
    Remove = 4,

    /// <summary>Reads any copy, because the owner is silent.</summary>
    Read = 5,
}

/// <summary>Up to <see cref="StickyLimits.MaxProposals"/> backends, by <see cref="BackendRef.Value"/>.</summary>
[InlineArray(StickyLimits.MaxProposals)]
internal struct LookupProposals
{
    private uint _first;
}

/// <param name="Id">The asker's number of the lookup; comes back with the answer.</param>
/// <param name="Count">How many of the proposals count.</param>
/// <param name="Epoch">The epoch of the shard's ownership that the asker knows: a host that has an older one must not answer.</param>
/// <param name="Expected">The backend to leave, 0 for none.</param>
internal readonly record struct LookupRequest(
    uint Id, LookupKind Kind, byte Count, ulong H, ulong Epoch, uint Expected, LookupProposals Proposals);

internal sealed record LookupBatch(ulong Number, LookupRequest[] Items) : MapMessage
{
    public override int Size => 16 + (Items.Length * 64);
}

internal enum AnswerStatus : byte
{
    /// <summary>The entry was there.</summary>
    Found = 1,

    /// <summary>The entry was made or moved.</summary>
    Assigned = 2,

    /// <summary>There is no such client; only the owner and a complete copy say that.</summary>
    None = 3,

    /// <summary>The shard is being opened, or the copy is not complete.</summary>
    NotReady = 4,

    /// <summary>The shard is not open on this node, or the asker knows a newer ownership than this node does.</summary>
    NotHere = 5,
}

/// <param name="IsRead">The answer to <see cref="LookupKind.Read"/>.</param>
/// <param name="Partition">Of the client.</param>
/// <param name="Epoch">That of the answerer.</param>
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

    /// <summary>The age is that of a session's end or sign of life, not of its beginning.</summary>
    Refreshed = 1,

    /// <summary>The session was opened without the owner's answer.</summary>
    FellBack = 2,

    /// <summary>The client for whom the entry was made was not accepted; the age is that of the answer.</summary>
    Refused = 4,
}

/// <summary>A client and its backend. Nodes exchange ages, never times.</summary>
/// <param name="Age">Milliseconds.</param>
internal readonly record struct MapEntry(ulong H, uint Backend, uint Age, EntryFlags Flags);

/// <param name="Entry">For a removal the key alone.</param>
internal readonly record struct MapOp(LogOpKind Kind, MapEntry Entry);

/// <summary>A message about one shard, under the epoch that the sender knows of it.</summary>
internal abstract record ShardMessage(ushort Shard, ulong Epoch) : MapMessage;

/// <summary>Owner to copy: changes, numbered from <paramref name="First"/> on.</summary>
internal sealed record Replicate(ushort Shard, ulong Epoch, ulong First, MapOp[] Ops) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Ops.Length * 18);
}

/// <summary>Owner to copy: say what you have, or take a snapshot.</summary>
/// <param name="Next">Number of the next change.</param>
/// <param name="IsStreaming">Changes are being sent to it, so a snapshot that it is taking stays good.</param>
internal sealed record CopyHint(ushort Shard, ulong Epoch, ulong Next, bool IsStreaming) : ShardMessage(Shard, Epoch);

/// <summary>Copy to owner.</summary>
/// <param name="Applied">Number of the last change that it has.</param>
/// <param name="Resend">Something after that was missed.</param>
/// <param name="IsComplete">It holds everything up to there.</param>
internal sealed record ReplicateAck(ushort Shard, ulong Epoch, ulong Applied, bool Resend, bool IsComplete) : ShardMessage(Shard, Epoch);

/// <summary>Asks for the entries from a partition on; the holder sends some partitions, the asker asks for the next.</summary>
/// <param name="Epoch">That of the wanted content.</param>
/// <param name="Follow">The asker is a copy that follows the log from here; else it opens the shard and takes what is there.</param>
internal sealed record SnapshotRequest(ushort Shard, ulong Epoch, ushort Partition, bool Follow) : ShardMessage(Shard, Epoch);

/// <param name="Sequence">Number of the last change when the partition was copied.</param>
/// <param name="Total">Entries of the partition.</param>
/// <param name="Offset">Those that were in parts before.</param>
internal readonly record struct SnapshotPart(ushort Partition, ulong Sequence, int Total, int Offset, MapEntry[] Entries);

/// <param name="IsLast">The holder sends no more until it is asked.</param>
internal sealed record SnapshotChunk(ushort Shard, ulong Epoch, SnapshotPart[] Parts, bool IsLast) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + Parts.Sum(p => 24 + (p.Entries.Length * 17));
}

/// <summary>Owner to copy: no more changes come after this one; the shard may be opened by whoever has them all.</summary>
internal sealed record Seal(ushort Shard, ulong Epoch, ulong Final) : ShardMessage(Shard, Epoch);

/// <summary>Copy to sealing owner.</summary>
internal sealed record SealAck(ushort Shard, ulong Epoch, ulong Applied) : ShardMessage(Shard, Epoch);

/// <summary>Owner to copy: what a partition holds after a change, as count and exclusive-or.</summary>
internal sealed record Digest(ushort Shard, ulong Epoch, ushort Partition, ulong Sequence, int Count, ulong Value) : ShardMessage(Shard, Epoch);

/// <summary>Who opens a shard asks the others what they hold of it.</summary>
internal sealed record CopyQuery(ushort Shard, ulong Epoch) : ShardMessage(Shard, Epoch);

/// <param name="Epoch">Highest that the answerer ever heard of.</param>
/// <param name="HeldEpoch">Epoch of the content that it holds, 0 for nothing.</param>
/// <param name="Sequence">Number of the last change in that content.</param>
/// <param name="IsServing">It is that epoch's owner still, or hands over at this moment.</param>
/// <param name="IsOffered">Left over from an ownership that ended without a hand-over: it will be offered to the new owner anyway.</param>
internal sealed record CopyAnswer(
    ushort Shard, ulong Epoch, ulong HeldEpoch, ulong Sequence, bool IsServing, bool IsOffered) : ShardMessage(Shard, Epoch);

/// <summary>Sessions of one partition that live on the sender.</summary>
/// <param name="Version">Comes back when the owner has them.</param>
internal sealed record Learn(ushort Shard, ulong Epoch, ushort Partition, uint Version, MapEntry[] Entries) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Entries.Length * 17);
}

internal sealed record LearnAck(ushort Shard, ulong Epoch, ushort Partition, uint Version) : ShardMessage(Shard, Epoch);

/// <summary>Ends and signs of life of sessions on the sender.</summary>
internal sealed record Touch(ushort Shard, ulong Epoch, ushort Partition, MapEntry[] Entries) : ShardMessage(Shard, Epoch)
{
    public override int Size => 32 + (Entries.Length * 17);
}

/// <summary>A former owner's entries, of which the owner takes those that it lacks.</summary>
/// <param name="Place">Where in the partition they begin; comes back.</param>
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

    /// <summary>The shard is not open there any more: who owns it now needs a higher epoch.</summary>
    IsOver = 4,
}

/// <summary>A <see cref="ShardAnnouncement"/> on the wire: members as indexes, -1 for nobody.</summary>
internal readonly record struct AnnouncedSeats(
    ushort Shard, ulong Epoch, uint Version, short Owner, short Replica, short Next, SeatFlags Flags);

internal sealed record Announcements(PeerId[] Peers, AnnouncedSeats[] Items) : MapMessage
{
    public override int Size => 16 + (Peers.Length * 80) + (Items.Length * 24);
}

/// <summary>Asks for what the receiver owns and what it knows of others.</summary>
internal sealed record AnnouncementsRequest : MapMessage;

/// <summary>
/// Carries messages between nodes. Called by any thread, sometimes under a lock of the map: it must not block, and what it causes must
/// not call back before it returns. Messages of one kind to one peer should keep their order; any may be lost.
/// </summary>
internal interface IMapTransport
{
    void Send(PeerId to, MapMessage message);
}
