using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>
/// Where shards ought to be: weighted rendezvous, bounded for every node to its share plus one, the replica in another zone where
/// there is one. It depends on who is there and on nothing else, so moves towards it end, and a node that comes or goes moves little
/// more than its own share. Owner and replica are the first two of one order: as far as bounds and zones let it, who is promoted when
/// the owner dies is who ought to own the shard without it.
/// </summary>
internal static class Placement
{
    /// <summary>The wished owner and replica of every shard, as indexes into <paramref name="members"/>; -1 for nobody.</summary>
    /// <param name="members">Everyone who is alive; those who leave get nothing.</param>
    public static ShardSeats[] Wish(ImmutableArray<Member> members, int shards)
    {
        var wish = new ShardSeats[shards];
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

        foreach (var candidate in candidates)
        {
            candidate.Cap = (int)(shards * candidate.Weight / weights) + 1;
        }

        for (var shard = 0; shard < shards && candidates.Count > 0; shard++)
        {
            var owner = Best(candidates, shard, c => c.Owned < c.Cap)!;
            owner.Owned++;
            wish[shard] = wish[shard] with { Owner = owner.Index };
        }

        for (var shard = 0; shard < shards && candidates.Count > 1; shard++)
        {
            var owner = wish[shard].Owner;
            var zone = members[owner].Zone;

            // Bounds and zones may contradict each other: the zone matters more, a replica at all most.
            var replica = Best(candidates, shard, c => c.Index != owner && c.Zone != zone && c.Copied < c.Cap)
                ?? Best(candidates, shard, c => c.Index != owner && c.Zone != zone)
                ?? Best(candidates, shard, c => c.Index != owner && c.Copied < c.Cap)
                ?? Best(candidates, shard, c => c.Index != owner)!;
            replica.Copied++;
            wish[shard] = wish[shard] with { Replica = replica.Index };
        }

        return wish;
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

    private sealed class Candidate(short index, int weight, string? zone, ulong number)
    {
        public short Index => index;

        public long Weight => weight;

        public string? Zone => zone;

        /// <summary>Its share plus one: the sum over all is never too small.</summary>
        public int Cap { get; set; }

        public int Owned { get; set; }

        public int Copied { get; set; }

        public ulong Draw(int shard) => Rendezvous.Draw((ulong)shard, number, weight);
    }
}
