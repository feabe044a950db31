using System.Globalization;
using System.Runtime.CompilerServices;

namespace ActorLb.Native;

/// <summary>Bytes of memory that there are, and that are not in use.</summary>
internal readonly record struct MemoryState(long Total, long Left);

/// <summary>
/// The memory that this process may use: the least of the machine's and of its control groups', version 2 or 1. What the kernel can
/// take back at once, cached files, counts as free.
/// </summary>
internal sealed class SystemMemory
{
    private readonly string _machine;
    private readonly Group[] _groups;

    /// <param name="root">Where <c>proc</c> and <c>sys</c> are found; another one in tests.</param>
    public SystemMemory(string root = "/")
    {
        _machine = Path.Combine(root, "proc/meminfo");
        _groups = [.. FindGroups(root)];
    }

    private sealed record Group(string Limit, string Usage, string Stat, string Cached);

    /// <summary>Bytes that the system takes back in a moment from files of the C library's heaps: see malloc_trim(3).</summary>
    public static void TrimNativeHeaps()
    {
        if (!Libc.IsAvailable) return;
        try
        {
            Trim();
        }
        catch (EntryPointNotFoundException)
        {
            // A C library without it (musl) gives back by itself.
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Trim() => Libc.malloc_trim(0);

    public MemoryState Read()
    {
        var least = OfMachine();
        foreach (var group in _groups)
        {
            if (ReadNumber(group.Limit) is not { } limit || ReadNumber(group.Usage) is not { } used) continue;
            if (limit >= least.Total && limit - used >= least.Left) continue;
            long left = Math.Max(0, limit - used);
            // The file of details is slow to read for the kernel: only when it matters.
            if (left < limit / 4) left = Math.Min(limit, left + (ReadLine(group.Stat, group.Cached, unit: 1) ?? 0));
            least = new MemoryState(Math.Min(limit, least.Total), Math.Min(left, least.Left));
        }
        return least;
    }

    private MemoryState OfMachine()
    {
        const int Kilo = 1024;
        long total = ReadLine(_machine, "MemTotal:", Kilo) ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new MemoryState(total, ReadLine(_machine, "MemAvailable:", Kilo) ?? total);
    }

    /// <summary>The process's group and those that it is within; in a container the path is often that of the host, and the group's files
    /// stand at the root.</summary>
    private static IEnumerable<Group> FindGroups(string root)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(Path.Combine(root, "proc/self/cgroup"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            yield break;
        }
        foreach (string line in lines)
        {
            // hierarchy:controllers:path, cgroups(7)
            string[] parts = line.Split(':', 3);
            if (parts.Length != 3) continue;
            bool second = parts[1].Length == 0;
            if (!second && !parts[1].Split(',').Contains("memory")) continue;
            string mount = Path.Combine(root, second ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
            for (string path = parts[2].Trim('/'); ; path = Path.GetDirectoryName(path) ?? "")
            {
                string folder = Path.Combine(mount, path);
                var group = second
                    ? new Group(Path.Combine(folder, "memory.max"), Path.Combine(folder, "memory.current"), Path.Combine(folder, "memory.stat"), "inactive_file")
                    : new Group(
                        Path.Combine(folder, "memory.limit_in_bytes"), Path.Combine(folder, "memory.usage_in_bytes"),
                        Path.Combine(folder, "memory.stat"), "total_inactive_file");
                if (ReadNumber(group.Limit) is not null) yield return group;
                if (path.Length == 0) break;
            }
        }
    }

    /// <summary>Null where there is no such file, and of "max", which is no limit.</summary>
    private static long? ReadNumber(string file)
    {
        try
        {
            return long.TryParse(File.ReadAllText(file).AsSpan().Trim(), CultureInfo.InvariantCulture, out long value) ? value : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long? ReadLine(string file, string key, int unit)
    {
        try
        {
            foreach (string line in File.ReadLines(file))
            {
                string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words.Length > 1 && words[0] == key && long.TryParse(words[1], CultureInfo.InvariantCulture, out long value)) return value * unit;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As if it did not say.
        }
        return null;
    }
}
