using System.Collections.Immutable;

namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Epochs of ownership: each opening of a shard takes a higher one than any that was heard of. Two nodes that open at once, on both
/// sides of a split, take different ones, because the writer's incarnation is in the low bits.
/// </summary>
internal static class ShardEpoch
{
    private const int WriterBits = 24;

    public static ulong Next(ulong highestSeen, ulong incarnation) =>
        (((highestSeen >> WriterBits) + 1) << WriterBits) | (Rendezvous.Mix(incarnation) & ((1UL << WriterBits) - 1));

    /// <summary>How many openings there were, for people.</summary>
    public static ulong Number(ulong epoch) => epoch >> WriterBits;
}

/// <summary>Where a shard is, as its owner says.</summary>
/// <param name="Version">Grows with every change of the seats within an epoch.</param>
/// <param name="Replica">Follows the owner's changes and may be read while the owner is silent.</param>
/// <param name="Next">Takes a copy in order to become owner or replica.</param>
internal sealed record ShardAnnouncement(
    int Shard, ulong Epoch, uint Version, PeerId Owner, PeerId? Replica, bool ReplicaIsComplete, PeerId? Next, bool NextIsComplete)
{
    public bool Seats(PeerId id) => Replica == id || Next == id;

    public bool IsNewerThan(ShardAnnouncement other) => Epoch > other.Epoch || (Epoch == other.Epoch && Version > other.Version);

    /// <summary>Whether a node holds all that the owner has confirmed.</summary>
    public bool IsCompleteAt(PeerId id) =>
        Owner == id || (Replica == id && ReplicaIsComplete) || (Next == id && NextIsComplete);
}

/// <summary>
/// What this node knows of where the shards are; immutable, swapped as a whole. A shard that nobody announced yet is null; an owner in
/// it may be gone, which only the members tell.
/// </summary>
internal sealed record ShardDirectory(ImmutableArray<ShardAnnouncement?> Shards)
{
    public ShardAnnouncement? this[int shard] => Shards[shard];

    /// <summary>Whether a node may be given a shard without a loss: it owns it or holds a complete copy.</summary>
    public bool IsCompleteAt(int shard, PeerId id) => Shards[shard]?.IsCompleteAt(id) == true;
}
