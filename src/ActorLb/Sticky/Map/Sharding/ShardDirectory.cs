using System.Collections.Immutable;

namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Epochs of ownership: each opening of a shard takes an epoch above any seen so far. The low bits come from the node's
/// incarnation, so two nodes that open a shard at the same time on both sides of a split take different epochs.
/// </summary>
internal static class ShardEpoch
{
    private const int WriterBits = 24;

    public static ulong Next(ulong highestSeen, ulong incarnation) =>
        (((highestSeen >> WriterBits) + 1) << WriterBits) | (ShardRendezvous.Mix(incarnation) & ((1UL << WriterBits) - 1));

    /// <summary>The number of openings, for display.</summary>
    public static ulong Number(ulong epoch) => epoch >> WriterBits;
}

/// <summary>Owner and copies of a shard, as announced by its owner.</summary>
/// <param name="Version">Increases with every change within an epoch.</param>
/// <param name="Replica">Follows the owner's changes and is read if the owner doesn't answer.</param>
/// <param name="Next">Receives a copy in order to become owner or replica.</param>
internal sealed record ShardAnnouncement(
    int Shard, ulong Epoch, uint Version, MemberId Owner, MemberId? Replica, bool ReplicaIsComplete, MemberId? Next, bool NextIsComplete)
{
    public bool Seats(MemberId id) => Replica == id || Next == id;

    public bool IsNewerThan(ShardAnnouncement other) => Epoch > other.Epoch || (Epoch == other.Epoch && Version > other.Version);

    /// <summary>Whether a node holds everything that the owner has confirmed.</summary>
    public bool IsCompleteAt(MemberId id) =>
        Owner == id || (Replica == id && ReplicaIsComplete) || (Next == id && NextIsComplete);
}

/// <summary>
/// Where the shards are, as far as this node knows. Immutable, swapped as a whole. A shard that was never announced is null. An
/// owner in it may be gone: check the members.
/// </summary>
internal sealed record ShardDirectory(ImmutableArray<ShardAnnouncement?> Shards)
{
    public ShardAnnouncement? this[int shard] => Shards[shard];

    /// <summary>Whether a shard may move to a node without losing entries: the node owns it or holds a complete copy.</summary>
    public bool IsCompleteAt(int shard, MemberId id) => Shards[shard]?.IsCompleteAt(id) == true;
}
