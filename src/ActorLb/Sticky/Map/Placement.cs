namespace ActorLb.Sticky.Map;

/// <summary>
/// Where shards should be: weighted rendezvous hashing, limited for every node to its share plus one. The result depends only on
/// the members, so all nodes with the same members agree, moves converge, and a node that joins or leaves moves little more than
/// its own share.
/// </summary>
internal static class Placement
{
    /// <summary>The desired owner of every shard; null if all members are leaving.</summary>
    public static MemberId?[] Owners(MapMembers members, int shards) => Draw(members.All.Where(m => !m.IsLeaving), shards);

    /// <summary>
    /// The desired replica of every shard if <paramref name="owner"/> owned it: the node that would own the shard without that
    /// one, so that after a crash the new owner already has the copy. Prefers another zone.
    /// </summary>
    public static MemberId?[] Replicas(MapMembers members, MemberId owner, int shards)
    {
        var others = members.All.Where(m => !m.IsLeaving && m.Id != owner).ToList();
        string? zone = members.TryFind(owner)?.Zone;
        return Draw(others.Exists(m => m.Zone != zone) ? others.Where(m => m.Zone != zone) : others, shards);
    }

    private static MemberId?[] Draw(IEnumerable<MapMember> members, int shards)
    {
        var candidates = members.Select(m => new Candidate(m)).ToArray();
        long weights = candidates.Sum(c => (long)c.Weight);
        foreach (var candidate in candidates)
        {
            // Share plus one, so that the limits always add up to enough.
            candidate.Left = (int)(shards * (long)candidate.Weight / weights) + 1;
        }

        var owners = new MemberId?[shards];
        for (int shard = 0; shard < shards && candidates.Length > 0; shard++)
        {
            Candidate? best = null;
            ulong draw = ulong.MaxValue;
            foreach (var candidate in candidates)
            {
                if (candidate.Left > 0 && candidate.Draw(shard) is var d && (d < draw || best is null))
                {
                    best = candidate;
                    draw = d;
                }
            }

            best!.Left--;
            owners[shard] = best.Id;
        }

        return owners;
    }

    private sealed class Candidate(MapMember member)
    {
        private readonly ulong _number = ShardRendezvous.NumberOf(member.Id.Name);

        public MemberId Id => member.Id;

        public int Weight => Math.Max(1, member.Weight);

        public int Left { get; set; }

        public ulong Draw(int shard) => ShardRendezvous.Draw((ulong)shard, _number, Weight);
    }
}
