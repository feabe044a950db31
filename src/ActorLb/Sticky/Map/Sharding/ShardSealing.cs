
namespace ActorLb.Sticky.Map.Sharding;

/// <summary>
/// Hands a shard over: the owner answers no more, its copies get the last changes and the seal, and the one that will own the shard
/// confirms. All methods are called under the shard's lock.
/// </summary>
internal sealed class ShardSealing(MapContext context, ShardOpener opener)
{
    /// <summary>The bound of a hand-over. What was not confirmed by then is found by the next owner's questions.</summary>
    private const long SealMilliseconds = 1000;

    private const long ResealMilliseconds = 20;

    /// <summary>The actor is to be stopped: nothing is answered from now on, and the last changes go to whoever comes.</summary>
    public void Begin(MapShard shard, long now)
    {
        if (shard.Phase == ShardPhase.Sealing)
        {
            return;
        }

        if (shard.Phase != ShardPhase.Open)
        {
            var isOpening = shard.Phase == ShardPhase.Opening;
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

    /// <summary>The sealing owner's turn: repeats the seal until the coming owner confirms it.</summary>
    /// <returns>Whether it still waits.</returns>
    public bool Serve(MapShard shard, MapView view, long now)
    {
        var heir = shard.Next is { IsComplete: true } next ? next : shard.Replica is { IsComplete: true } replica ? replica : null;
        if (heir is null || heir.IsSealed || now > shard.SealUntil || view.Members?.CanReach(heir.Peer) != true)
        {
            if (heir?.IsSealed == true)
            {
                context.Counters.CountHandOff();
            }

            shard.Close(handedOver: heir?.IsSealed == true);
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
                    context.Outbox.Post(target.Peer, new Seal((ushort)shard.Number, shard.HeldEpoch, shard.SealFinal));
                }
            }
        }

        return true;
    }

    public void OnSeal(MapShard shard, PeerId from, Seal message)
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

    public void OnSealAck(MapShard shard, PeerId from, SealAck message)
    {
        if (shard.Phase == ShardPhase.Sealing && message.Epoch == shard.HeldEpoch && message.Applied >= shard.SealFinal
            && shard.TargetOf(from) is { } target)
        {
            target.IsSealed = true;
            context.MarkSoon(shard.Number);
        }
    }
}
