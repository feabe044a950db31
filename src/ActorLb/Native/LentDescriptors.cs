using System.Runtime.CompilerServices;

namespace ActorLb.Native;

/// <summary>Descriptors for a child process: copies, which stay open over its start and are closed here afterwards.</summary>
internal static class LentDescriptors
{
    private const int F_DUPFD = 0, F_SETFD = 2, FD_CLOEXEC = 1; // fcntl(2)

    /// <summary>A copy of the descriptor that programs started from now on inherit, until it is closed or <see cref="Keep"/> is called.</summary>
    /// <exception cref="IOException">No descriptor is left.</exception>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Lend(int fd)
    {
        int copy = Libc.fcntl(fd, F_DUPFD, 3);
        return copy >= 0 ? copy : throw new IOException($"cannot hand a descriptor over: {Libc.ErrorText(Libc.Errno)}");
    }

    /// <summary>Closes a descriptor of this process; other processes that have it keep theirs.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Close(int fd) => Libc.close(fd);

    /// <summary>Programs started from now on do not inherit the descriptor.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Keep(int fd) => Libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
}
