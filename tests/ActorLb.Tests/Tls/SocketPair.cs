using System.Runtime.InteropServices;

namespace ActorLb.Tests.Tls;

/// <summary>Two connected nonblocking descriptors without the cost of TCP.</summary>
internal readonly partial struct SocketPair : IDisposable
{
    // socket.h and bits/socket_type.h of Linux: AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC
    private const int Unix = 1;
    private const int Stream = 1;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;

    public SocketPair()
    {
        Span<int> pair = stackalloc int[2];
        if (socketpair(Unix, Stream | NonBlocking | CloseOnExec, 0, ref MemoryMarshal.GetReference(pair)) != 0)
        {
            throw new InvalidOperationException(Marshal.GetLastPInvokeErrorMessage());
        }

        (One, Two) = (pair[0], pair[1]);
    }

    internal int One { get; }

    internal int Two { get; }

    public void Dispose()
    {
        CloseOne();
        CloseTwo();
    }

    internal void CloseOne() => _ = close(One);

    internal void CloseTwo() => _ = close(Two);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, ref int pair);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
