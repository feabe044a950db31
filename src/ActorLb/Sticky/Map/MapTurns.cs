using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>What the shards do as time passes. The clock's thread alone.</summary>
internal sealed class MapTurns(
    MapContext context, MapShard[] shards, ShardCopying copying, ShardOpener opener, ShardSealing sealing, ShardOffers offers,
    SessionLearning learning)
{
    private const long LaterMilliseconds = 50;

    /// <summary>Partitions whose sessions are told in one turn: when an owner changes there are many.</summary>
    private const int MaxTold = 64;

    private long _laterAt;
    private long _visitedAt;
    private int _visitNext;

    public void Tick(MapView view, long now)
    {
        ServeShards(context.Soon, view, now);
        TellSessions(context.TellSoon, view, now);
        if (now - _laterAt >= LaterMilliseconds)
        {
            _laterAt = now;
            copying.CountPulls(shards);
            ServeShards(context.Later, view, now);
            TellSessions(context.TellLater, view, now);
            CountRoom();
            Visit(view, now);
        }
    }

    /// <summary>Without the shards' locks: a number that changes meanwhile is as good as the one before.</summary>
    private void CountRoom()
    {
        long places = 0;
        long entries = 0;
        long connected = 0;
        foreach (var shard in shards)
        {
            if (!shard.Serves)
            {
                continue;
            }

            places += context.Rules.MaxPerShard;
            foreach (var partition in shard.Partitions)
            {
                var table = partition.Store.Table;
                entries += table.Count;
                connected += table.Connected;
            }
        }

        context.Rules.Room.Count(places, entries, connected);
    }

    private void ServeShards(MapBits bits, MapView view, long now)
    {
        for (var word = 0; word < bits.Words; word++)
        {
            for (var taken = bits.Take(word); taken != 0;)
            {
                var shard = shards[MapBits.Next(ref taken, word)];
                lock (shard.Gate)
                {
                    Serve(shard, view, now);
                }
            }
        }
    }

    private void Serve(MapShard shard, MapView view, long now)
    {
        var soon = false;
        var later = false;
        switch (shard.Phase)
        {
            case ShardPhase.Opening:
                opener.Look(shard, view, now);
                soon = true;
                break;
            case ShardPhase.Open:
                later = copying.ServeCopies(shard, view, now);
                break;
            case ShardPhase.Sealing:
                copying.ServeCopies(shard, view, now);
                soon = sealing.Serve(shard, view, now);
                break;
            default:
                later = offers.Tell(shard, view, now) | copying.Pull(shard, view, now);

                // The next question to the owner is due before the next slow turn.
                soon = later && shard.PullAt > now && shard.PullAt - now < LaterMilliseconds;
                break;
        }

        if (soon)
        {
            context.Soon.Set(shard.Number);
        }
        else if (later)
        {
            context.Later.Set(shard.Number);
        }
    }

    private void TellSessions(MapBits bits, MapView view, long now)
    {
        var told = 0;
        for (var word = 0; word < bits.Words && told < MaxTold; word++)
        {
            for (var taken = bits.Take(word); taken != 0; told++)
            {
                var number = MapBits.Next(ref taken, word);
                var shard = shards[context.ShardOfPartition(number)];
                lock (shard.Gate)
                {
                    if (learning.Tell(shard, shard.Partition(number), view, now))
                    {
                        context.TellLater.Set(number);
                    }
                }
            }
        }
    }

    /// <summary>Every partition's turn once in the digest's time: expired entries, signs of life, comparison with the copies.</summary>
    private void Visit(MapView view, long now)
    {
        var partitions = context.Settings.Partitions;
        var due = (now - _visitedAt) * partitions / context.RoundMilliseconds;
        if (due <= 0)
        {
            return;
        }

        _visitedAt = now;
        for (var n = Math.Min(due, partitions); n > 0; n--)
        {
            var number = _visitNext;
            _visitNext = (_visitNext + 1) % partitions;
            var shard = shards[context.ShardOfPartition(number)];
            lock (shard.Gate)
            {
                var partition = shard.Partition(number);
                if (now >= partition.LiveTouchAt)
                {
                    learning.TouchAll(shard, partition, view, now);
                }

                if (shard.Serves)
                {
                    partition.Store.Sweep(0, int.MaxValue, context.Rules.LogOps / 2, context.Clock.Ticks);
                    copying.SendDigest(shard, partition);
                    context.Later.Set(shard.Number);
                }
            }
        }
    }
}
