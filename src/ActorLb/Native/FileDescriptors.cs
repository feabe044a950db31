using System.Runtime.CompilerServices;

namespace ActorLb.Native;

/// <summary>
/// The descriptors that clients may not have: the last ones below the limit stay for probes, the admin endpoint and logs. The kernel
/// gives the lowest free number (open(2), socket(2)), so the number itself shows how many are in use.
/// </summary>
internal static class FileDescriptors
{
    /// <summary>Kept for others than clients; of a very low limit a quarter.</summary>
    public const int Reserve = 64;

    private static int s_ceiling = CeilingOf(Rlimit.OpenFiles);

    /// <summary>Whether a client's descriptor, or a backend's for it, is one of those: it must be closed again.</summary>
    public static bool IsReserved(int fd) => fd >= Volatile.Read(ref s_ceiling) && fd >= Refresh();

    /// <summary>Whether the process, or the system, has none left at all.</summary>
    public static bool AreOut() => Libc.IsAvailable && CannotOpen();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool CannotOpen()
    {
        int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (fd < 0) return true;
        Libc.close(fd);
        return false;
    }

    internal static int CeilingOf(long limit) => (int)Math.Min(limit - Math.Min(Reserve, limit / 4), int.MaxValue);

    /// <summary>The limit may have been changed (prlimit(1)): asked again when it is reached.</summary>
    private static int Refresh()
    {
        int ceiling = CeilingOf(Rlimit.OpenFiles);
        Volatile.Write(ref s_ceiling, ceiling);
        return ceiling;
    }
}
