using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ActorLb.Native;

/// <summary>
/// The system calls of the data plane, as Linux declares them. Calls that cannot block (every descriptor here is non-blocking)
/// skip the GC transition: it keeps <c>errno</c> valid until it is read and is cheaper than the marshaller's copy of it.
/// Only <c>epoll_wait</c>, which sleeps, makes the transition.
/// </summary>
internal static unsafe partial class Libc
{
    private const string Library = "libc";

    // errno values, asm-generic/errno-base.h and errno.h
    public const int EINTR = 4, EAGAIN = 11, ENFILE = 23, EMFILE = 24, EPIPE = 32, EADDRINUSE = 98, EADDRNOTAVAIL = 99,
        ENETUNREACH = 101, ECONNABORTED = 103, ECONNRESET = 104, ENOBUFS = 105, ETIMEDOUT = 110, ECONNREFUSED = 111,
        EHOSTUNREACH = 113, EINPROGRESS = 115, ENOMEM = 12, EACCES = 13, EPERM = 1, ENOSPC = 28, EAFNOSUPPORT = 97;

    public const int AF_INET = 2, AF_INET6 = 10;
    public const int SOCK_STREAM = 1, SOCK_NONBLOCK = 0x800, SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_ERROR = 4, SO_KEEPALIVE = 9, SO_LINGER = 13, SO_REUSEPORT = 15;
    public const int IPPROTO_IP = 0, IPPROTO_TCP = 6, IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26, IP_BIND_ADDRESS_NO_PORT = 24;
    public const int TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6, TCP_QUICKACK = 12, TCP_USER_TIMEOUT = 18;
    public const int MSG_PEEK = 2, MSG_NOSIGNAL = 0x4000, MSG_MORE = 0x8000;
    public const int SHUT_WR = 1;
    public const int EPOLL_CLOEXEC = 0x80000, EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3;
    public const int EFD_CLOEXEC = 0x80000, EFD_NONBLOCK = 0x800;

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int bind(int fd, byte* address, uint length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int listen(int fd, int backlog);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int accept4(int fd, byte* address, uint* length, int flags);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int connect(int fd, byte* address, uint length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int getsockname(int fd, byte* address, uint* length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int getpeername(int fd, byte* address, uint* length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    // libc's recv and send are cancellation points: in a process of several threads each call switches cancellation on and off. In a
    // profile of small relayed messages the functions and that were 4.6 % of all samples. libc's syscall() is none, and was 0.9 %.
    // Numbers: asm/unistd_64.h, asm-generic/unistd.h; 0 uses the functions.
    private static readonly nint Recvfrom = SystemCall(x64: 45, arm64: 207), Sendto = SystemCall(x64: 44, arm64: 206);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint recv(int fd, byte* buffer, nuint length, int flags) =>
        Recvfrom != 0 ? syscall(Recvfrom, fd, buffer, length, flags, 0, 0) : recv_function(fd, buffer, length, flags);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint send(int fd, byte* buffer, nuint length, int flags) =>
        Sendto != 0 ? syscall(Sendto, fd, buffer, length, flags, 0, 0) : send_function(fd, buffer, length, flags);

    private static nint SystemCall(nint x64, nint arm64) => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => x64,
        Architecture.Arm64 => arm64,
        _ => 0,
    };

    [LibraryImport(Library), SuppressGCTransition]
    private static partial nint syscall(nint number, nint fd, byte* buffer, nuint length, nint flags, nint address, nint addressLength);

    [LibraryImport(Library, EntryPoint = "recv"), SuppressGCTransition]
    private static partial nint recv_function(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport(Library, EntryPoint = "send"), SuppressGCTransition]
    private static partial nint send_function(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int open(string path, int flags);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial nint read(int fd, byte* buffer, nuint length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial nint write(int fd, byte* buffer, nuint length);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int shutdown(int fd, int how);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int close(int fd);

    /// <param name="command">F_DUPFD, F_SETFD (fcntl(2)): those whose argument is a number.</param>
    [LibraryImport(Library), SuppressGCTransition]
    public static partial int fcntl(int fd, int command, int argument);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int epoll_create1(int flags);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int epoll_ctl(int epoll, int operation, int fd, void* @event);

    [LibraryImport(Library)]
    public static partial int epoll_wait(int epoll, void* events, int count, int timeout);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int eventfd(uint initial, int flags);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int getrlimit(int resource, ulong* limits);

    [LibraryImport(Library), SuppressGCTransition]
    public static partial int kill(int pid, int signal);

    /// <summary>Gives free memory of the C library's heaps back to the system; 1 when it gave any. Not in every C library.</summary>
    [LibraryImport(Library)]
    public static partial int malloc_trim(nuint keep);

    /// <param name="handler">0 is SIG_DFL (signal(2)).</param>
    [LibraryImport(Library)]
    public static partial nint signal(int signal, nint handler);

    [LibraryImport(Library), SuppressGCTransition]
    private static partial int* __errno_location();

    [ThreadStatic]
    private static int* s_errno;

    /// <summary>The calling thread's errno, valid directly after a failed call of this class.</summary>
    public static int Errno
    {
        [MethodImpl(MethodImplOptions.NoInlining)]
        get
        {
            int* location = s_errno;
            if (location == null) s_errno = location = __errno_location();
            return *location;
        }
    }

    /// <summary>Whether this is Linux, with its C library. Elsewhere only <c>data-plane = streams</c> runs, without these calls.</summary>
    public static bool IsAvailable { get; } = Find();

    /// <summary>The text of an errno value, such as "Connection refused".</summary>
    public static string ErrorText(int errno) => OperatingSystem.IsLinux() ? Marshal.GetPInvokeErrorMessage(errno) : errno switch
    {
        EACCES => "Permission denied",
        EADDRINUSE => "Address already in use",
        EADDRNOTAVAIL => "Cannot assign requested address",
        ECONNREFUSED => "Connection refused",
        EHOSTUNREACH => "No route to host",
        EMFILE => "Too many open files",
        ENETUNREACH => "Network is unreachable",
        ETIMEDOUT => "Connection timed out",
        _ => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"error {errno}"),
    };

    // In methods of their own, here and where IsAvailable is asked: code that is compiled ahead looks a method's calls up when it is entered.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Probe() => __errno_location() != null;

    private static bool Find()
    {
        try
        {
            return OperatingSystem.IsLinux() && Probe();
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }
}
