namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Hands over a shard: the owner stops answering, its copies receive the last changes and the seal, and the next owner confirms.
/// All methods are called under the shard's lock.
/// </summary>
internal sealed class ShardSealing(MapContext context, ShardOpener opener)
{
    /// <summary>
    /// The time limit of a hand-over. The next owner finds changes unconfirmed by then when it asks for copies.
    /// </summary>
    private const long SealMilliseconds = 1000;

    private const long ResealMilliseconds = 20;

    /// <summary>The actor is about to stop: answers no more lookups and sends the last changes to the copies.</summary>
    public void Begin(MapShard shard, long now)
    {
        if (shard.Phase == ShardPhase.Sealing)
        {
            return;
        }

        if (shard.Phase != ShardPhase.Open)
        {
            bool isOpening = shard.Phase == ShardPhase.Opening;
            opener.Close(shard);
            shard.AwaitsStop = isOpening;
            context.Raise(MapEvent.Sealed, shard.Number);
            return;
        }

        shard.Phase = ShardPhase.Sealing;
        shard.SealFinal = shard.Log.Last;
        shard.SealUntil = now + SealMilliseconds;
        shard.SealSentAt = long.MinValue / 2;
        context.MarkSoon(shard.Number);
    }

    /// <summary>Periodic work of the sealing owner: repeats the seal until the next owner confirms it.</summary>
    /// <returns>Whether it is still waiting.</returns>
    public bool Serve(MapShard shard, MapView view, long now)
    {
        var successor = shard.Next is { IsComplete: true } next ? next : shard.Replica is { IsComplete: true } replica ? replica : null;
        if (successor is null || successor.IsSealed || now > shard.SealUntil || view.Members?.CanReach(successor.Member) != true)
        {
            if (successor?.IsSealed == true)
            {
                context.Counters.CountHandOff();
            }

            shard.Close(handedOver: successor?.IsSealed == true);
            shard.AwaitsStop = true;
            context.Raise(MapEvent.Sealed, shard.Number);
            return false;
        }

        if (now - shard.SealSentAt >= ResealMilliseconds)
        {
            shard.SealSentAt = now;
            foreach (var target in (ReadOnlySpan<CopyTarget?>)[shard.Replica, shard.Next])
            {
                if (target is { Streams: true })
                {
                    context.Outbox.Post(target.Member, new Seal((ushort)shard.Number, shard.HeldEpoch, shard.SealFinal));
                }
            }
        }

        return true;
    }

    public void OnSeal(MapShard shard, MemberId from, Seal message)
    {
        if (shard.HeldEpoch == message.Epoch && shard.Seats?.Owner == from && shard.Synced && shard.Applied >= message.Final)
        {
            shard.IsSealed = true;
            context.Outbox.Post(from, new SealAck(message.Shard, message.Epoch, shard.Applied));
            context.MarkSoon(shard.Number);
        }
        else if (shard.HeldEpoch == message.Epoch && shard.Synced)
        {
            context.Outbox.Post(from, new ReplicateAck(message.Shard, message.Epoch, shard.Applied, Resend: true, IsComplete: true));
        }
    }

    public void OnSealAck(MapShard shard, MemberId from, SealAck message)
    {
        if (shard.Phase == ShardPhase.Sealing && message.Epoch == shard.HeldEpoch && message.Applied >= shard.SealFinal
            && shard.TargetOf(from) is { } target)
        {
            target.IsSealed = true;
            context.MarkSoon(shard.Number);
        }
    }
}
