using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>
/// Where shards ought to be: weighted rendezvous, bounded for every node to its share plus one, the replica in another zone where
/// there is one, and what sits well stays. A pure function: the same input gives the same answer on every node.
/// </summary>
internal static class Placement
{
    /// <summary>The wished owner and replica of every shard, as indexes into <paramref name="members"/>; -1 for nobody.</summary>
    /// <param name="members">Everyone who is alive; those who leave get nothing.</param>
    /// <param name="current">The seats now, as indexes into <paramref name="members"/>.</param>
    public static ShardSeats[] Wish(ImmutableArray<Member> members, ReadOnlySpan<ShardSeats> current)
    {
        var wish = new ShardSeats[current.Length];
        Array.Fill(wish, ShardSeats.Empty);
        var candidates = new List<Candidate>();
        long weights = 0;
        for (var i = 0; i < members.Length; i++)
        {
            if (!members[i].Leaving)
            {
                var weight = Math.Max(1, members[i].Weight);
                weights += weight;
                candidates.Add(new Candidate((short)i, weight, members[i].Zone, Rendezvous.NumberOf(members[i].Name)));
            }
        }

        if (candidates.Count == 0)
        {
            return wish;
        }

        foreach (var candidate in candidates)
        {
            candidate.Cap = (int)(current.Length * candidate.Weight / weights) + 1;
        }

        PlaceOwners(candidates, current, wish);
        if (candidates.Count > 1)
        {
            PlaceReplicas(candidates, current, wish);
        }

        return wish;
    }

    private static void PlaceOwners(List<Candidate> candidates, ReadOnlySpan<ShardSeats> current, ShardSeats[] wish)
    {
        // Who has too many keeps those that rendezvous would give it first.
        foreach (var candidate in candidates)
        {
            var mine = new List<(ulong Draw, int Shard)>();
            for (var shard = 0; shard < current.Length; shard++)
            {
                if (current[shard].Owner == candidate.Index)
                {
                    mine.Add((candidate.Draw(shard), shard));
                }
            }

            mine.Sort();
            foreach (var (_, shard) in mine.Take(candidate.Cap))
            {
                wish[shard] = wish[shard] with { Owner = candidate.Index };
                candidate.Held++;
            }
        }

        for (var shard = 0; shard < wish.Length; shard++)
        {
            if (wish[shard].Owner < 0)
            {
                // Its copies are at hand already: the replica first, then who is taking a copy.
                var pick = Find(candidates, current[shard].Replica, c => c.Held < c.Cap)
                    ?? Find(candidates, current[shard].Next, c => c.Held < c.Cap)
                    ?? Best(candidates, shard, c => c.Held < c.Cap)!;
                wish[shard] = wish[shard] with { Owner = pick.Index };
                pick.Held++;
            }
        }
    }

    private static void PlaceReplicas(List<Candidate> candidates, ReadOnlySpan<ShardSeats> current, ShardSeats[] wish)
    {
        candidates.ForEach(c => c.Held = 0);
        var zones = candidates.Select(c => c.Zone).Distinct().Count();
        bool Fits(Candidate c, int shard) => c.Index != wish[shard].Owner && c.Held < c.Cap && OtherZone(c, shard);
        bool OtherZone(Candidate c, int shard) =>
            zones < 2 || c.Zone != candidates.Find(o => o.Index == wish[shard].Owner)!.Zone;
        for (var shard = 0; shard < wish.Length; shard++)
        {
            if (Find(candidates, current[shard].Replica, c => Fits(c, shard)) is { } stays)
            {
                wish[shard] = wish[shard] with { Replica = stays.Index };
                stays.Held++;
            }
        }

        for (var shard = 0; shard < wish.Length; shard++)
        {
            if (wish[shard].Replica >= 0)
            {
                continue;
            }

            // Bounds and zones may contradict each other: the zone matters more, a replica at all most.
            var s = shard;
            var pick = Find(candidates, current[s].Owner, c => Fits(c, s))
                ?? Find(candidates, current[s].Next, c => Fits(c, s))
                ?? Best(candidates, s, c => Fits(c, s))
                ?? Find(candidates, current[s].Replica, c => c.Index != wish[s].Owner && OtherZone(c, s))
                ?? Best(candidates, s, c => c.Index != wish[s].Owner && OtherZone(c, s))
                ?? Best(candidates, s, c => c.Index != wish[s].Owner)!;
            wish[s] = wish[s] with { Replica = pick.Index };
            pick.Held++;
        }
    }

    private static Candidate? Find(List<Candidate> candidates, int index, Func<Candidate, bool> fits)
    {
        foreach (var candidate in candidates)
        {
            if (candidate.Index == index)
            {
                return fits(candidate) ? candidate : null;
            }
        }

        return null;
    }

    private static Candidate? Best(List<Candidate> candidates, int shard, Func<Candidate, bool> fits)
    {
        Candidate? best = null;
        var draw = ulong.MaxValue;
        foreach (var candidate in candidates)
        {
            if (fits(candidate) && candidate.Draw(shard) is var d && d < draw)
            {
                best = candidate;
                draw = d;
            }
        }

        return best;
    }

    private sealed class Candidate(short index, long weight, string? zone, ulong number)
    {
        public short Index => index;

        public long Weight => weight;

        public string? Zone => zone;

        public int Cap { get; set; }

        public int Held { get; set; }

        public ulong Draw(int shard) => Rendezvous.Draw((ulong)shard, number, (int)weight);
    }
}
