using ActorLb.Native;

namespace ActorLb.Proxying;

/// <summary>How many clients the limit of open files allows: each takes two descriptors, its own and its backend's.</summary>
internal static class OpenFiles
{
    /// <summary>For the runtime, the admin endpoint, probes and logs.</summary>
    private const int Reserve = 192;

    /// <returns>At most <paramref name="maxConnections"/>.</returns>
    public static int Fit(int maxConnections, int listeners, int workers, long limit)
    {
        long own = Reserve + ((long)workers * (NodeAdmission.RefusedOnEach(workers) + listeners + 4));
        return (int)Math.Clamp((limit - own) / 2, 1, maxConnections);
    }

    public static long Limit => Rlimit.OpenFiles;
}
