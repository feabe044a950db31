using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Standalone;
using ActorLb.Sticky;

namespace ActorLb.Benchmarks;

/// <summary>Fills the sticky map of one node and prints what an entry, a lookup, an insert and a collection cost.</summary>
internal static class ShardBenchmark
{
    private const int PartitionBits = 10;
    private const int Partitions = 1 << PartitionBits;

    public static void Run(int entries)
    {
        var slots = new BackendSlots();
        var backends = Enumerable.Range(0, 4).Select(i => new BackendRef((ushort)i, 1)).ToArray();
        foreach (var backend in backends)
        {
            slots.Set(backend, AdminState.Up);
        }

        Console.WriteLine($"{entries:N0} entries, one thread");
        Tables(entries);
        Map(entries, slots, backends);
    }

    private static ulong Key(int i) => unchecked((ulong)i * 0x9E3779B97F4A7C15UL ^ ((ulong)i << 37));

    /// <summary>The tables alone: what the structure costs.</summary>
    private static void Tables(int entries)
    {
        var tables = Enumerable.Range(0, Partitions).Select(_ => new ShardTable(PartitionBits)).ToArray();
        var insert = Stopwatch.StartNew();
        for (int i = 1; i <= entries; i++)
        {
            ulong h = Key(i);
            tables[(int)(h >> (64 - PartitionBits))].Set(h, new BackendRef(1, 1), 1);
        }

        Print("tables: inserts", entries, insert.Elapsed);
        int found = 0;
        var lookup = Stopwatch.StartNew();
        uint at = 1u;
        for (int i = 0; i < entries; i++)
        {
            at = unchecked((at * 1664525) + 1013904223);
            ulong h = Key((int)(at % (uint)entries) + 1);
            found += tables[(int)(h >> (64 - PartitionBits))].Find(h).Gen;
        }

        Print("tables: lookups", found, lookup.Elapsed);
        long bytes = tables.Sum(t => t.Bytes);
        Console.WriteLine($"tables: {(double)bytes / entries:F1} B an entry ({bytes / 1e6:F0} MB native)");
        foreach (var table in tables)
        {
            table.Dispose();
        }
    }

    /// <summary>The whole way of a local lookup: hash of the id, lock, rules, clock.</summary>
    private static void Map(int entries, BackendSlots slots, BackendRef[] backends)
    {
        using var map = new LocalStickyMap(new byte[16], TimeSpan.FromHours(24), entries * 2, slots, TimeProvider.System);
        var insert = Stopwatch.StartNew();
        for (int i = 1; i <= entries; i++)
        {
            map.GetOrAssign(Key(i), backends, null!, 0, out _);
        }

        Print("map: get-or-assign of new clients", entries, insert.Elapsed);
        int known = 0;
        var lookup = Stopwatch.StartNew();
        uint at = 1u;
        for (int i = 0; i < entries; i++)
        {
            at = unchecked((at * 1664525) + 1013904223);
            map.GetOrAssign(Key((int)(at % (uint)entries) + 1), backends, null!, 0, out var answer);
            known += answer.IsNew ? 0 : 1;
        }

        Print("map: get-or-assign of known clients", known, lookup.Elapsed);
        var same = Stopwatch.StartNew();
        for (int i = 0; i < 10_000_000; i++)
        {
            map.GetOrAssign(Key((i & 1023) + 1), backends, null!, 0, out _);
        }

        Print("map: the same with 1,024 clients in the cache", 10_000_000, same.Elapsed);
        Span<byte> id = stackalloc byte[16];
        var hash = Stopwatch.StartNew();
        ulong sum = 0UL;
        for (int i = 0; i < 5_000_000; i++)
        {
            BitConverter.TryWriteBytes(id, i);
            sum ^= map.Hash("emqx"u8, id);
        }

        Print($"map: hashes of 16-byte ids in a pool ({sum & 15})", 5_000_000, hash.Elapsed);
        using var process = Process.GetCurrentProcess();
        Console.WriteLine($"process: {process.WorkingSet64 / 1e6:F0} MB resident");
        GC.Collect();
        var pauses = new List<double>();
        for (int i = 0; i < 5; i++)
        {
            var collect = Stopwatch.StartNew();
            GC.Collect(2, GCCollectionMode.Forced, blocking: true);
            pauses.Add(collect.Elapsed.TotalMilliseconds);
        }

        Console.WriteLine($"full collection with the map full: {pauses.Order().ElementAt(2):F2} ms (median of 5)");
    }

    private static void Print(string what, long count, TimeSpan time) =>
        Console.WriteLine($"{what}: {count / time.TotalSeconds / 1e6:F1} M/s ({time.TotalSeconds * 1e9 / count:F0} ns)");
}
