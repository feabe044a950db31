
namespace ActorLb.Sticky.Map;

/// <summary>
/// Where shards ought to be: weighted rendezvous, bounded for every node to its share plus one. It depends on who is there and on
/// nothing else, so all nodes with the same members say the same, moves towards it end, and a node that comes or goes moves little
/// more than its own share.
/// </summary>
internal static class Placement
{
    /// <summary>The wished owner of every shard; null where nobody is left who does not leave.</summary>
    public static PeerId?[] Owners(MapMembers members, int shards) => Draw(members.All.Where(m => !m.IsLeaving), shards);

    /// <summary>
    /// The wished replica of every shard if <paramref name="owner"/> has it: who would own the shard without that node, so that after a
    /// crash the new owner is where the copy is. Another zone goes before, where there is one.
    /// </summary>
    public static PeerId?[] Replicas(MapMembers members, PeerId owner, int shards)
    {
        var others = members.All.Where(m => !m.IsLeaving && m.Id != owner).ToList();
        var zone = members.TryFind(owner)?.Zone;
        return Draw(others.Exists(m => m.Zone != zone) ? others.Where(m => m.Zone != zone) : others, shards);
    }

    private static PeerId?[] Draw(IEnumerable<MapMember> members, int shards)
    {
        var candidates = members.Select(m => new Candidate(m)).ToArray();
        var weights = candidates.Sum(c => (long)c.Weight);
        foreach (var candidate in candidates)
        {
            // Its share plus one: the sum over all is never too small.
            candidate.Left = (int)(shards * (long)candidate.Weight / weights) + 1;
        }

        var owners = new PeerId?[shards];
        for (var shard = 0; shard < shards && candidates.Length > 0; shard++)
        {
            Candidate? best = null;
            var draw = ulong.MaxValue;
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
        private readonly ulong _number = Rendezvous.NumberOf(member.Id.Name);

        public PeerId Id => member.Id;

        public int Weight => Math.Max(1, member.Weight);

        public int Left { get; set; }

        public ulong Draw(int shard) => Rendezvous.Draw((ulong)shard, _number, Weight);
    }
}
