using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>
/// The coordinator's next table, a pure function. Losses are repaired at once: replicas are promoted, empty seats filled. Everything
/// else goes in small steps: somebody takes a copy (<c>Next</c>), reports it complete, and the following table seats it, so a copy is
/// never given up before another one is complete.
/// </summary>
internal static class MovePlan
{
    /// <summary>
    /// Shards that one table has copied; how many are copied at once is the copies' own bound. Fewer in a table make more tables, and
    /// with every table the nodes have different ones for a moment.
    /// </summary>
    public const int MaxMoves = 256;

    /// <summary>
    /// Shards that one table gives from their owner to a complete replica. Nothing is copied, but the lookups of each wait for its seal.
    /// </summary>
    public const int MaxSwaps = 256;

    /// <param name="members">Registered nodes, in any order.</param>
    /// <param name="kept">Nodes of the table that are not registered at the moment but not given up either.</param>
    /// <param name="ready">Whether a node reported, under the current table, that it holds a complete copy of a shard.</param>
    /// <param name="patient">Moves wait until every copy that is being taken is complete: fewer tables, more shards in each.</param>
    /// <param name="highest">Highest epoch heard of.</param>
    /// <param name="wish">What <see cref="Placement.Wish"/> says for these members; asked here when it is not given.</param>
    /// <returns>Null when the current table is as it should be.</returns>
    public static ShardMap? Next(
        ShardMap current, ImmutableArray<Member> members, IReadOnlySet<PeerId> kept, Func<PeerId, int, bool> ready,
        bool patient, int shardCount, ulong highest, ulong writer, ShardSeats[]? wish = null)
    {
        var sorted = members.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        var nodes = sorted.Select(m => new MapNode(m.Id, m.Address))
            .Concat(current.Nodes.Where(n => kept.Contains(n.Id) && !members.Any(m => m.Id == n.Id)))
            .ToImmutableArray();
        var seats = Carry(current, nodes, shardCount);
        Repair(seats);
        var settled = nodes.Length == sorted.Length;
        if (settled && sorted.Length > 0)
        {
            wish ??= Placement.Wish(sorted, shardCount);
            Fill(seats, wish);
            bool Ready(int node, int shard) => ready(nodes[node].Id, shard);
            if (!patient || !AnyUnready(seats, wish, Ready))
            {
                Move(seats, wish, Ready, node => sorted[node].Leaving);
            }
        }

        var same = current.Shards.Length == shardCount && nodes.SequenceEqual(current.Nodes) && seats.AsSpan().SequenceEqual(current.Shards.AsSpan());
        return same && highest <= current.Epoch
            ? null
            : new ShardMap(ShardMap.NextEpoch(Math.Max(highest, current.Epoch), writer), nodes, [.. seats]);
    }

    private static bool AnyUnready(ShardSeats[] seats, ShardSeats[] wish, Func<int, int, bool> ready)
    {
        for (var i = 0; i < seats.Length; i++)
        {
            var (owner, replica, next) = seats[i];
            var heir = next >= 0 ? next : replica == wish[i].Owner ? replica : owner;
            if (heir >= 0 && heir != owner && !ready(heir, i))
            {
                return true;
            }
        }

        return false;
    }

    private static ShardSeats[] Carry(ShardMap current, ImmutableArray<MapNode> nodes, int shardCount)
    {
        var to = new short[current.Nodes.Length];
        for (var i = 0; i < to.Length; i++)
        {
            var id = current.Nodes[i].Id;
            to[i] = ShardSeats.Nobody;
            for (short j = 0; j < nodes.Length; j++)
            {
                if (nodes[j].Id == id)
                {
                    to[i] = j;
                }
            }
        }

        short Map(short index) => index < 0 ? ShardSeats.Nobody : to[index];
        var seats = new ShardSeats[shardCount];
        for (var i = 0; i < shardCount; i++)
        {
            seats[i] = i < current.Shards.Length
                ? new ShardSeats(Map(current.Shards[i].Owner), Map(current.Shards[i].Replica), Map(current.Shards[i].Next))
                : ShardSeats.Empty;
        }

        return seats;
    }

    /// <summary>A dead owner's replica takes over; without one, whoever was taking a copy.</summary>
    private static void Repair(ShardSeats[] seats)
    {
        for (var i = 0; i < seats.Length; i++)
        {
            var (owner, replica, next) = seats[i];
            if (owner < 0)
            {
                owner = replica >= 0 ? replica : next;
            }

            replica = replica == owner ? ShardSeats.Nobody : replica;
            next = next == owner || next == replica ? ShardSeats.Nobody : next;
            seats[i] = new ShardSeats(owner, replica, next);
        }
    }

    /// <summary>Empty seats need no patience: nothing can be lost by filling them.</summary>
    private static void Fill(ShardSeats[] seats, ShardSeats[] wish)
    {
        for (var i = 0; i < seats.Length; i++)
        {
            var (owner, replica, next) = seats[i];
            if (owner < 0)
            {
                owner = wish[i].Owner;
            }

            if (replica < 0)
            {
                replica = next >= 0 ? next : wish[i].Replica != owner ? wish[i].Replica : wish[i].Owner != owner ? wish[i].Owner : replica;
            }

            next = next == owner || next == replica ? ShardSeats.Nobody : next;
            seats[i] = new ShardSeats(owner, replica, next);
        }
    }

    private static void Move(ShardSeats[] seats, ShardSeats[] wish, Func<int, int, bool> ready, Func<int, bool> leaving)
    {
        var copying = 0;
        for (var i = 0; i < seats.Length; i++)
        {
            var (owner, _, next) = seats[i];
            if (next < 0)
            {
                continue;
            }

            if (next != wish[i].Owner && next != wish[i].Replica)
            {
                seats[i] = seats[i] with { Next = ShardSeats.Nobody };
            }
            else if (!ready(next, i))
            {
                copying++;
            }
            else
            {
                seats[i] = next == wish[i].Owner && owner != next
                    ? new ShardSeats(next, Keep(seats[i], wish[i].Replica, leaving), ShardSeats.Nobody)
                    : seats[i] with { Replica = next, Next = ShardSeats.Nobody };
            }
        }

        var swaps = 0;
        for (var i = 0; i < seats.Length; i++)
        {
            var (owner, replica, next) = seats[i];
            if (next >= 0)
            {
                continue;
            }

            if (wish[i].Owner >= 0 && owner != wish[i].Owner)
            {
                if (replica == wish[i].Owner)
                {
                    if (swaps < MaxSwaps && ready(replica, i))
                    {
                        seats[i] = new ShardSeats(replica, owner, ShardSeats.Nobody);
                        swaps++;
                    }
                }
                else if (copying < MaxMoves)
                {
                    seats[i] = seats[i] with { Next = wish[i].Owner };
                    copying++;
                }
            }
            else if (wish[i].Owner >= 0 && wish[i].Replica < 0)
            {
                // Only one node stays: nobody can take over from a replica that leaves.
                seats[i] = seats[i] with { Replica = ShardSeats.Nobody };
            }
            else if (wish[i].Replica >= 0 && replica != wish[i].Replica && copying < MaxMoves)
            {
                seats[i] = seats[i] with { Next = wish[i].Replica };
                copying++;
            }
        }
    }

    /// <summary>Who of the two old holders stays as replica of the new owner.</summary>
    private static short Keep(ShardSeats old, short wished, Func<int, bool> leaving)
    {
        if (old.Replica < 0 || wished == old.Owner)
        {
            return old.Owner;
        }

        return wished == old.Replica || !leaving(old.Replica) ? old.Replica : old.Owner;
    }
}
