using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Sticky;

/// <summary>What an owner does for a caller, near or far.</summary>
internal static class ShardCalls
{
    /// <summary>Under the lock of a shard that serves.</summary>
    /// <param name="provisional">The caller is on this node, which will hear whether its client is accepted.</param>
    public static LookupResult Execute(
        RegionShard shard, RegionContext context, PeerFrameType type, PeerCallFlags flags, ulong h, BackendRef expected,
        ReadOnlySpan<BackendRef> proposals, bool provisional = false)
    {
        var store = shard.Store;
        var before = store.Log.Last;
        var now = context.Clock.Ticks;
        LookupResult result;
        if (type == PeerFrameType.GetOrAssign)
        {
            result = store.GetOrAssign(h, proposals, now, provisional);
        }
        else if ((flags & PeerCallFlags.Remove) != PeerCallFlags.None)
        {
            result = new LookupResult(store.Remove(h) ? LookupStatus.Assigned : LookupStatus.None, BackendRef.None);
        }
        else
        {
            result = store.Reassign(h, expected, proposals, (flags & PeerCallFlags.Force) != PeerCallFlags.None, now, provisional);
        }

        shard.Lookups++;
        if (store.Log.Last != before && store.Log.Keeps)
        {
            context.MarkSoon(shard.Number);
        }

        context.Answered?.Invoke(type, h, shard.Epoch, result);
        return result;
    }

    /// <summary>What a replica knows: <see cref="PeerStatus.Ok"/> with a backend, or as <see cref="Read"/> says. Takes the shard's lock.</summary>
    public static (PeerStatus Status, BackendRef Backend) Peek(RegionShard shard, RegionContext context, ulong h, ulong epoch)
    {
        lock (shard.Gate)
        {
            return shard.Epoch == epoch ? Read(shard, context, h) : (PeerStatus.StaleEpoch, BackendRef.None);
        }
    }

    /// <summary>
    /// What is left here of a shard whose holders are silent, whatever this node is or was to it: a copy that is not complete, or one
    /// that it has given up and not handed over yet. Older than the owner's word, but some holder's word. Takes the shard's lock.
    /// </summary>
    public static BackendRef Remains(RegionShard shard, RegionContext context, ulong h)
    {
        lock (shard.Gate)
        {
            return shard.Store.Peek(h, context.Clock.Ticks);
        }
    }

    /// <summary>A call of another node, and the reply to it. Takes the shard's lock.</summary>
    public static void Answer(RegionShard shard, RegionContext context, IPeerLink link, in PeerFrameHeader header, in PeerLookup lookup)
    {
        Span<BackendRef> proposals = stackalloc BackendRef[PeerLookup.MaxProposals];
        for (var i = 0; i < lookup.Count; i++)
        {
            proposals[i] = BackendRef.FromValue(lookup[i]);
        }

        var status = PeerStatus.StaleEpoch;
        var backend = BackendRef.None;
        ulong epoch;
        lock (shard.Gate)
        {
            epoch = shard.Epoch;
            if (header.Epoch == epoch)
            {
                (status, backend) = (header.CallFlags & PeerCallFlags.Hedge) != PeerCallFlags.None
                    ? Read(shard, context, lookup.H)
                    : Decide(shard, context, header, lookup, proposals[..lookup.Count]);
            }
        }

        Span<byte> frame = stackalloc byte[PeerReply.FrameSize];
        var flags = (byte)(header.CallFlags & PeerCallFlags.Hedge);
        new PeerReply(status, backend.Value, 0).Write(
            frame, new PeerFrameHeader(PeerFrameType.Reply, flags, header.Shard, header.RequestId, epoch));
        link.Send(frame, PeerLane.Calls);
    }

    /// <summary>Only a complete copy can say that there is no such client; that word is <see cref="PeerStatus.None"/>.</summary>
    private static (PeerStatus Status, BackendRef Backend) Read(RegionShard shard, RegionContext context, ulong h)
    {
        var isReplica = shard.Role == ShardRole.Replica;
        var backend = isReplica || shard.Serves ? shard.Store.Peek(h, context.Clock.Ticks) : BackendRef.None;
        return !backend.IsNone ? (PeerStatus.Ok, backend)
            : (shard.Serves || (isReplica && shard.Synced) ? PeerStatus.None : PeerStatus.NotReady, BackendRef.None);
    }

    private static (PeerStatus Status, BackendRef Backend) Decide(
        RegionShard shard, RegionContext context, in PeerFrameHeader header, in PeerLookup lookup, ReadOnlySpan<BackendRef> proposals)
    {
        if (shard.Role != ShardRole.Owner)
        {
            return (PeerStatus.WrongOwner, BackendRef.None);
        }

        if (!shard.Serves)
        {
            return (PeerStatus.NotReady, BackendRef.None);
        }

        var result = Execute(
            shard, context, header.Type, header.CallFlags, lookup.H, BackendRef.FromValue(lookup.Expected), proposals);
        return result.Status switch
        {
            LookupStatus.Found => (PeerStatus.Ok, result.Backend),
            LookupStatus.Assigned => (PeerStatus.New, result.Backend),
            _ => (PeerStatus.None, BackendRef.None),
        };
    }
}
