
namespace ActorLb.Sticky.Map.Sharding;

/// <summary>What a holder of a shard does for a caller, near or far.</summary>
internal sealed class ShardAnswers(MapContext context, MapShard[] shards)
{
    /// <summary>Under the lock of a shard that serves.</summary>
    /// <param name="provisional">The caller is on this node, which will hear whether its client is accepted.</param>
    public LookupResult Execute(
        MapShard shard, LookupKind kind, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, bool provisional = false)
    {
        var store = shard.Partition(context.PartitionOf(h)).Store;
        var before = shard.Log.Last;
        var now = context.Clock.Ticks;
        var result = kind switch
        {
            LookupKind.GetOrAssign => store.GetOrAssign(h, proposals, now, provisional),
            LookupKind.Remove => new LookupResult(store.Remove(h) ? LookupStatus.Assigned : LookupStatus.None, BackendRef.None),
            _ => store.Reassign(h, expected, proposals, kind == LookupKind.Force, now, provisional),
        };
        shard.Lookups++;
        if (shard.Log.Last != before && shard.Log.Keeps)
        {
            context.MarkSoon(shard.Number);
        }

        context.Answered?.Invoke(kind, h, shard.HeldEpoch, result);
        return result;
    }

    /// <summary>
    /// What a copy knows. Only the owner's and a complete copy's can say that there is no such client. Under the shard's lock.
    /// </summary>
    /// <param name="epoch">The ownership that the asker knows.</param>
    public (AnswerStatus Status, BackendRef Backend) Read(MapShard shard, ulong h, ulong epoch)
    {
        var backend = shard.HeldEpoch == 0 ? BackendRef.None : shard.Partition(context.PartitionOf(h)).Store.Peek(h, context.Clock.Ticks);
        if (!backend.IsNone)
        {
            return (AnswerStatus.Found, backend);
        }

        // Until it has heard of that ownership itself, it can't tell what it is to it.
        return (shard.Highest < epoch ? AnswerStatus.NotHere
            : (shard.Serves || shard.Synced) && shard.HeldEpoch >= epoch ? AnswerStatus.None : AnswerStatus.NotReady, BackendRef.None);
    }

    /// <summary>As <see cref="Read"/>, with the lock.</summary>
    public (AnswerStatus Status, BackendRef Backend) Peek(ulong h, ulong epoch)
    {
        var shard = shards[context.ShardOf(h)];
        lock (shard.Gate)
        {
            return Read(shard, h, epoch);
        }
    }

    /// <summary>
    /// What is left here of a shard whose holders are silent, whatever this node is or was to it: older than the owner's word, but some
    /// holder's word. Takes the shard's lock.
    /// </summary>
    public BackendRef Remains(ulong h)
    {
        var shard = shards[context.ShardOf(h)];
        lock (shard.Gate)
        {
            return shard.Partition(context.PartitionOf(h)).Store.Peek(h, context.Clock.Ticks);
        }
    }

    /// <summary>Another node's lookups, and the answers to them.</summary>
    public void Answer(PeerId from, LookupBatch batch)
    {
        if (batch.Items.Length > MapLimits.MaxBatch)
        {
            context.Reject(from, batch, $"{batch.Items.Length} lookups");
            return;
        }

        var answers = new LookupAnswer[batch.Items.Length];
        for (var i = 0; i < answers.Length; i++)
        {
            ref readonly var asked = ref batch.Items[i];
            if (asked.Count > StickyLimits.MaxProposals || asked.Kind is < LookupKind.GetOrAssign or > LookupKind.Read)
            {
                context.Reject(from, batch, $"{asked.Kind} with {asked.Count} proposals");
                return;
            }

            answers[i] = Answer(asked);
        }

        context.Transport.Send(from, new LookupAnswers(batch.Number, answers));
    }

    private LookupAnswer Answer(in LookupRequest asked)
    {
        var shard = shards[context.ShardOf(asked.H)];
        lock (shard.Gate)
        {
            var (status, backend) = asked.Kind == LookupKind.Read ? Read(shard, asked.H, asked.Epoch) : Decide(shard, asked);
            return new LookupAnswer(
                asked.Id, status, asked.Kind == LookupKind.Read, (ushort)context.PartitionOf(asked.H), backend.Value, shard.HeldEpoch);
        }
    }

    private (AnswerStatus Status, BackendRef Backend) Decide(MapShard shard, in LookupRequest asked)
    {
        if (!shard.Serves || asked.Epoch > shard.HeldEpoch)
        {
            return (shard.Phase == ShardPhase.Opening ? AnswerStatus.NotReady : AnswerStatus.NotHere, BackendRef.None);
        }

        Span<BackendRef> proposals = stackalloc BackendRef[StickyLimits.MaxProposals];
        for (var i = 0; i < asked.Count; i++)
        {
            proposals[i] = BackendRef.FromValue(asked.Proposals[i]);
        }

        var result = Execute(shard, asked.Kind, asked.H, BackendRef.FromValue(asked.Expected), proposals[..asked.Count]);
        return result.Status switch
        {
            LookupStatus.Found => (AnswerStatus.Found, result.Backend),
            LookupStatus.Assigned => (AnswerStatus.Assigned, result.Backend),
            _ => (AnswerStatus.None, BackendRef.None),
        };
    }
}
