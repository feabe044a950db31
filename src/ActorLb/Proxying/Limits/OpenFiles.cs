using System.IO.Enumeration;
using ActorLb.Native;

namespace ActorLb.Proxying.Limits;

/// <summary>How many clients the limit of open files allows: each takes two descriptors, its own and its backend's.</summary>
internal static class OpenFiles
{
    /// <summary>What a node without clients has open: most of it are assemblies, by two descriptors each.</summary>
    private const int Own = 176;

    /// <param name="probes">Backends that are probed, all at once in the worst case.</param>
    /// <returns>At most <paramref name="maxConnections"/>.</returns>
    public static int Fit(int maxConnections, int listeners, int workers, long limit, int probes = 0)
    {
        long own = Own + FileDescriptors.Reserve + ((long)workers * (NodeAdmission.RefusedOnEach(workers) + listeners + 4)) + probes;
        return (int)Math.Clamp((limit - own) / 2, 1, maxConnections);
    }

    public static long Limit => Rlimit.OpenFiles;

    /// <summary>Of this process, at the moment; counted without a string for each.</summary>
    public static int Count => new FileSystemEnumerable<byte>("/proc/self/fd", (ref FileSystemEntry _) => 0).Count();
}
