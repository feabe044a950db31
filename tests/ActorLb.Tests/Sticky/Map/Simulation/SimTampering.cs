using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>Messages changed on their way: each breaks a rule on purpose, see <see cref="Variant"/>.</summary>
internal static class SimTampering
{
    /// <summary>Changes the key's last bit in one change out of fifty.</summary>
    public static MapMessage ChangeAnotherKey(SimWorld world, MapMessage message)
    {
        if (message is Replicate { Ops.Length: > 0 } replicate && world.Chance(0.02))
        {
            var op = replicate.Ops[0];
            return replicate with { Ops = [op with { Entry = op.Entry with { H = op.Entry.H ^ 1 } }, .. replicate.Ops[1..]] };
        }

        return message;
    }

    /// <summary>Gives the message the receiver's epoch, which has the same effect as not checking epochs.</summary>
    public static MapMessage PretendSameEpoch(SimNode to, MapMessage message)
    {
        if (message is ShardMessage about and not (CopyQuery or CopyAnswer))
        {
            var shard = to.Map.Shards[about.Shard];
            ulong epoch = shard.Serves ? shard.HeldEpoch : shard.Seats?.Epoch ?? 0;
            return epoch == 0 ? message : about with { Epoch = epoch };
        }

        return message;
    }
}
