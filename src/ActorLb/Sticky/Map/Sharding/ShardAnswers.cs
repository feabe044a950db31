namespace ActorLb.Sticky.Map.Sharding;

/// <summary>Executes lookups on a shard held by this node, for local and remote callers.</summary>
internal sealed class ShardAnswers(MapContext context, MapShard[] shards)
{
    /// <summary>Executes a lookup on an open shard, under its lock.</summary>
    /// <param name="provisional">The caller is on this node, which will learn whether its client is accepted.</param>
    public LookupResult Execute(
        MapShard shard, LookupKind kind, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, bool provisional = false)
    {
        var store = shard.Partition(context.PartitionOf(h)).Store;
        ulong before = shard.Log.Last;
        uint now = context.Clock.Ticks;
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
    /// Reads what this node holds. Only the owner and a complete copy can answer that a client is unknown. Under the shard's
    /// lock.
    /// </summary>
    /// <param name="epoch">The epoch that the asker knows.</param>
    public (AnswerStatus Status, BackendRef Backend) Read(MapShard shard, ulong h, ulong epoch)
    {
        var backend = shard.HeldEpoch == 0 ? BackendRef.None : shard.Partition(context.PartitionOf(h)).Store.Peek(h, context.Clock.Ticks);
        if (!backend.IsNone)
        {
            return (AnswerStatus.Found, backend);
        }

        // Until this node has heard of that ownership, it doesn't know its own role in it.
        return (shard.Highest < epoch ? AnswerStatus.NotHere
            : (shard.Serves || shard.Synced) && shard.HeldEpoch >= epoch ? AnswerStatus.None : AnswerStatus.NotReady, BackendRef.None);
    }

    /// <summary>Like <see cref="Read"/>, but takes the lock.</summary>
    public (AnswerStatus Status, BackendRef Backend) Peek(ulong h, ulong epoch)
    {
        var shard = shards[context.ShardOf(h)];
        lock (shard.Gate)
        {
            return Read(shard, h, epoch);
        }
    }

    /// <summary>
    /// Reads what this node holds of a shard whose owner and replica are silent, whatever its own role: possibly outdated, but
    /// better than nothing. Takes the shard's lock.
    /// </summary>
    public BackendRef ReadAnyCopy(ulong h)
    {
        var shard = shards[context.ShardOf(h)];
        lock (shard.Gate)
        {
            return shard.Partition(context.PartitionOf(h)).Store.Peek(h, context.Clock.Ticks);
        }
    }

    /// <summary>Answers another node's lookups.</summary>
    public void Answer(MemberId from, LookupBatch batch)
    {
        if (batch.Items.Length > MapLimits.MaxBatch)
        {
            context.Reject(from, batch, $"{batch.Items.Length} lookups");
            return;
        }

        var answers = new LookupAnswer[batch.Items.Length];
        for (int i = 0; i < answers.Length; i++)
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
        for (int i = 0; i < asked.Count; i++)
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
