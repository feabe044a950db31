using System.Diagnostics;
using ActorLb.Fleet.Sharding;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Benchmarks;

/// <summary>
/// A large fleet's map in one process: the real tables, placement and wire format, without the nodes. Prints what a client costs, and what a
/// join, a leave and a crash move.
/// </summary>
internal static class ScaleBenchmark
{
    private const int PartitionBits = 10;
    private const int Partitions = 1 << PartitionBits;

    public static void Run(int nodes, int clients)
    {
        Console.WriteLine($"{nodes} nodes, {clients:N0} clients, each with an entry at the owner of its shard and one at the replica");
        int[] counts = Fill(clients);
        foreach (int shards in (int[])[64, 256])
        {
            Move(nodes, shards, counts);
        }
    }

    /// <returns>Entries of each partition.</returns>
    private static int[] Fill(int clients)
    {
        var hash = new StickyHash(new byte[16]);
        long before = Process.GetCurrentProcess().WorkingSet64;
        var copies = Enumerable.Range(0, 2).Select(_ => Enumerable.Range(0, Partitions).Select(_ => new ShardTable(PartitionBits)).ToArray()).ToArray();
        Span<byte> id = stackalloc byte[16];
        var time = Stopwatch.StartNew();
        for (int i = 1; i <= clients; i++)
        {
            BitConverter.TryWriteBytes(id, i);
            ulong h = hash.Of("emqx"u8, id);
            foreach (var tables in copies)
            {
                tables[(int)(h >> (64 - PartitionBits))].Set(h, new BackendRef(1, 1), 1);
            }
        }

        int[] counts = copies[0].Select(t => t.Count).ToArray();
        long bytes = copies.Sum(tables => tables.Sum(t => t.Bytes));
        Console.WriteLine(
            $"tables: {bytes / 2.0 / clients:F1} B a client and copy ({bytes / 1e6:F0} MB in all, {(Process.GetCurrentProcess().WorkingSet64 - before) / 1e6:F0} MB resident), "
            + $"filled in {time.Elapsed.TotalSeconds:F1} s; fullest partition {(double)counts.Max() * Partitions / clients:F3} of the mean");
        foreach (var table in copies.SelectMany(t => t))
        {
            table.Dispose();
        }

        return counts;
    }

    private static void Move(int nodes, int shards, int[] counts)
    {
        long[] perShard = Enumerable.Range(0, shards)
            .Select(s => counts.Skip(s * (Partitions / shards)).Take(Partitions / shards).Sum(c => (long)c)).ToArray();
        var fleet = Enumerable.Range(1, nodes).Select(i => new MemberId($"lb-{i}", 1)).ToArray();
        var (owners, replicas) = Place(fleet, shards);
        int[][] owned = fleet.Select(n => Enumerable.Range(0, shards).Where(s => owners[s] == n).ToArray()).ToArray();
        Console.WriteLine(
            $"{shards} shards: {owned.Min(o => o.Length)} to {owned.Max(o => o.Length)} a node (mean {(double)shards / nodes:F2}), "
            + $"{owned.Max(o => o.Sum(s => perShard[s])):N0} clients on the fullest ({owned.Max(o => o.Sum(s => perShard[s])) * (double)nodes / counts.Sum():F2} of the mean)");
        Tell("join", Place([.. fleet, new MemberId($"lb-{nodes + 1}", 1)], shards), 1.0 / (nodes + 1));
        Tell("leave", Place(fleet[1..], shards), 1.0 / nodes);

        // After a crash each shard of the dead opens where its copy is; the copies that are missing are made anew.
        var (after, copies) = Place(fleet[1..], shards);
        int[] inPlace = Enumerable.Range(0, shards).Where(s => owners[s] == fleet[0]).ToArray();
        Console.WriteLine(
            $"  crash: {inPlace.Length} shards open at their copies, {inPlace.Count(s => replicas[s] == after[s])} of them where they stay; "
            + $"copied anew: {Share(Enumerable.Range(0, shards).Where(s => copies[s] != replicas[s]))}");
        return;

        void Tell(string what, (MemberId?[] Owners, MemberId?[] Replicas) next, double ideal)
        {
            int[] moved = Enumerable.Range(0, shards).Where(s => next.Owners[s] != owners[s]).ToArray();
            int[] copied = Enumerable.Range(0, shards).Where(s => next.Replicas[s] != replicas[s]).ToArray();
            Console.WriteLine(
                $"  {what}: {moved.Length} shards move ({moved.Length} writes of the coordinator), {Share(moved)} (1/N is {ideal:P1}); copied anew: {Share(copied)}");
        }

        string Share(IEnumerable<int> some)
        {
            long entries = some.Sum(s => perShard[s]);
            return $"{entries:N0} clients, {(double)entries / counts.Sum():P1}, {Wire(entries) / 1e6:F1} MB";
        }
    }

    private static (MemberId?[] Owners, MemberId?[] Replicas) Place(MemberId[] fleet, int shards)
    {
        var members = new MapMembers(fleet[0], fleet.Select(n => new MapMember(n)));
        var owners = Placement.Owners(members, shards);
        var byOwner = fleet.ToDictionary(n => n, n => Placement.Replicas(members, n, shards));
        return (owners, [.. owners.Select((owner, shard) => byOwner[owner!.Value][shard])]);
    }

    /// <summary>Bytes of the messages that carry so many entries.</summary>
    private static double Wire(long entries)
    {
        var full = new MapEntry[MapLimits.MaxEntries];
        var chunk = new SnapshotChunk(0, 1, [new SnapshotPart(0, 1, full.Length, 0, full)], IsLast: false);
        return (double)entries * MapWire.SizeOf(chunk) / full.Length;
    }
}
