using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>Periodic work of the shards. Only on the clock's thread.</summary>
internal sealed class MapTurns(
    MapContext context, MapShard[] shards, ShardCopying copying, ShardOpener opener, ShardSealing sealing, ShardOffers offers,
    SessionReporting reporting)
{
    private const long LaterMilliseconds = 50;

    /// <summary>The most partitions whose sessions are sent in one turn; when an owner changes there are many.</summary>
    private const int MaxPartitions = 64;

    private long _laterAt;
    private long _visitedAt;
    private int _visitNext;

    public void Tick(MapView view, long now)
    {
        ServeShards(context.Soon, view, now);
        SendSessions(context.ReportSoon, view, now);
        if (now - _laterAt >= LaterMilliseconds)
        {
            _laterAt = now;
            copying.CountPulls(shards);
            ServeShards(context.Later, view, now);
            SendSessions(context.ReportLater, view, now);
            CountRoom();
            Visit(view, now);
        }
    }

    /// <summary>Reads without the shards' locks: an approximate count suffices.</summary>
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
        for (int word = 0; word < bits.Words; word++)
        {
            for (ulong taken = bits.Take(word); taken != 0;)
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
        bool soon = false;
        bool later = false;
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
                later = offers.SendNext(shard, view, now) | copying.Pull(shard, view, now);

                // The next request to the owner is due before the next slow turn.
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

    private void SendSessions(MapBits bits, MapView view, long now)
    {
        int sent = 0;
        for (int word = 0; word < bits.Words && sent < MaxPartitions; word++)
        {
            for (ulong taken = bits.Take(word); taken != 0; sent++)
            {
                int number = MapBits.Next(ref taken, word);
                var shard = shards[context.ShardOfPartition(number)];
                lock (shard.Gate)
                {
                    if (reporting.SendUnconfirmed(shard, shard.Partition(number), view, now))
                    {
                        context.ReportLater.Set(number);
                    }
                }
            }
        }
    }

    /// <summary>
    /// Visits every partition once per round: removes expired entries, renews those of live sessions, and sends digests to the
    /// copies.
    /// </summary>
    private void Visit(MapView view, long now)
    {
        int partitions = context.Settings.Partitions;
        long due = (now - _visitedAt) * partitions / context.RoundMilliseconds;
        if (due <= 0)
        {
            return;
        }

        _visitedAt = now;
        for (long n = Math.Min(due, partitions); n > 0; n--)
        {
            int number = _visitNext;
            _visitNext = (_visitNext + 1) % partitions;
            var shard = shards[context.ShardOfPartition(number)];
            lock (shard.Gate)
            {
                var partition = shard.Partition(number);
                if (now >= partition.LiveTouchAt)
                {
                    reporting.TouchAll(shard, partition, view, now);
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
