using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>Dispatches messages of other members to the part of the map that handles them.</summary>
internal sealed class MapMessageHandler(
    MapContext context, MapShard[] shards, ShardCopying copying, SnapshotTransfer snapshots, ShardOpener opener, ShardSealing sealing,
    ShardAnnouncing announcing, ShardOffers offers, SessionLearning learning, SessionReporting reporting, ShardAnswers answers, RemoteLookups remote)
{
    public void Handle(MemberLookups from, MapMessage message)
    {
        switch (message)
        {
            case LookupBatch batch:
                answers.Answer(from.Id, batch);
                break;
            case LookupAnswers replies:
                OnAnswers(from, replies);
                break;
            case Announcements announcements:
                announcing.OnAnnouncements(from.Id, announcements);
                break;
            case AnnouncementsRequest:
                announcing.Send(from.Id, all: true);
                break;
            case MapMessages envelope:
                OnEnvelope(from, envelope);
                break;
            case ShardMessage about when about.Shard < shards.Length && (about.Epoch != 0 || about is CopyQuery or CopyAnswer):
                OnShard(from.Id, shards[about.Shard], about);
                break;
            default:
                context.Reject(from.Id, message, "not known, or of a shard that does not exist");
                break;
        }
    }

    private void OnEnvelope(MemberLookups from, MapMessages envelope)
    {
        foreach (var item in envelope.Items)
        {
            if (item is MapMessages)
            {
                context.Reject(from.Id, envelope, "nested");
                return;
            }

            Handle(from, item);
        }
    }

    private void OnAnswers(MemberLookups from, LookupAnswers replies)
    {
        if (replies.Items.Length > MapLimits.MaxBatch)
        {
            context.Reject(from.Id, replies, $"{replies.Items.Length} answers");
            return;
        }

        foreach (ref readonly var reply in replies.Items.AsSpan())
        {
            if (reply.Partition >= context.Settings.Partitions)
            {
                context.Reject(from.Id, replies, $"partition {reply.Partition}");
                return;
            }

            if (!remote.OnAnswer(from, reply) && !reply.IsRead && reply.Status is AnswerStatus.Found or AnswerStatus.Assigned)
            {
                var shard = shards[context.ShardOfPartition(reply.Partition)];
                lock (shard.Gate)
                {
                    reporting.OnLateReply(shard.Partition(reply.Partition), context.Clock.Milliseconds);
                }
            }
        }

        from.OnAnswered(replies.Number, context.Clock.Milliseconds);
    }

    private void OnShard(MemberId from, MapShard shard, ShardMessage message)
    {
        long now = context.Clock.Milliseconds;
        if (message is not (CopyQuery or CopyAnswer or SnapshotRequest))
        {
            announcing.Reconcile(from, shard, message.Epoch);
        }

        if (message is SnapshotRequest request)
        {
            snapshots.OnRequest(shard, from, request, now);
            return;
        }

        lock (shard.Gate)
        {
            OnShardLocked(from, shard, message, now);
        }
    }

    private void OnShardLocked(MemberId from, MapShard shard, ShardMessage message, long now)
    {
        var view = context.View;
        switch (message)
        {
            case Replicate replicate: copying.OnReplicate(shard, from, replicate, now); break;
            case ReplicateAck ack: copying.OnAck(shard, from, ack, view); break;
            case CopyHint hint: copying.OnHint(shard, from, hint, now); break;
            case Digest digest: copying.OnDigest(shard, from, digest, now); break;
            case Seal seal: sealing.OnSeal(shard, from, seal); break;
            case SealAck ack: sealing.OnSealAck(shard, from, ack); break;
            case CopyQuery query: opener.OnCopyQuery(shard, from, query); break;
            case CopyAnswer answer: opener.OnCopyAnswer(shard, from, answer, view, now); break;
            case Learn learn: learning.OnLearn(shard, from, learn, now); break;
            case LearnAck ack: reporting.OnLearnAck(shard, ack); break;
            case Touch touch: learning.OnTouch(shard, from, touch, now); break;
            case Offer offer: offers.OnOffer(shard, from, offer, now); break;
            case OfferAck ack: offers.OnOfferAck(shard, from, ack, view, now); break;
            case SnapshotChunk chunk when shard.Phase != ShardPhase.Opening: copying.OnChunk(shard, from, chunk, now); break;
            case SnapshotChunk chunk:
                if (shard.Staging is { Follows: false } && snapshots.OnChunk(shard, from, chunk, now))
                {
                    opener.OnSnapshot(shard, view, now);
                }

                break;
            default: context.Reject(from, message, "not known"); break;
        }
    }
}
