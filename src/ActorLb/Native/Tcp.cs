using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using ActorLb.Protocol.Failures;

namespace ActorLb.Native;

/// <summary>
/// Non-blocking TCP sockets on bare descriptors. Failures are values (an errno); nothing here throws on a peer's behaviour. What the steps of
/// a session call is not inlined into them: compiled ahead, a step would look the system's calls up when it is entered, and the steps
/// are those of the data plane without such calls too.
/// </summary>
internal static unsafe class Tcp
{
    /// <summary>Result of <see cref="Receive"/> and <see cref="Send"/>: nothing can be moved now.</summary>
    public const int WouldBlock = -1;

    /// <summary>Result of <see cref="Receive"/> and <see cref="Send"/>: the connection failed; <see cref="Libc.Errno"/> is why.</summary>
    public const int Failed = -2;

    /// <summary>Bytes read, 0 at the end of the stream, <see cref="WouldBlock"/> or <see cref="Failed"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Receive(int fd, Span<byte> into, int flags = 0)
    {
        fixed (byte* p = into)
        {
            nint n = Libc.recv(fd, p, (nuint)into.Length, flags);
            return n >= 0 ? (int)n : Classify();
        }
    }

    /// <summary>Bytes written, <see cref="WouldBlock"/> or <see cref="Failed"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Send(int fd, ReadOnlySpan<byte> from, int flags = 0)
    {
        fixed (byte* p = from)
        {
            nint n = Libc.send(fd, p, (nuint)from.Length, flags | Libc.MSG_NOSIGNAL);
            return n >= 0 ? (int)n : Classify();
        }
    }

    /// <summary>As <see cref="Receive"/>, without taking the bytes out of the socket.</summary>
    public static int Peek(int fd, Span<byte> into) => Receive(fd, into, Libc.MSG_PEEK);

    /// <summary>A descriptor, or -1 with <see cref="Libc.Errno"/> set.</summary>
    public static int Accept(int listener, out NetEndPoint remote)
    {
        byte* address = stackalloc byte[NetEndPoint.MaxSockaddrSize];
        uint length = NetEndPoint.MaxSockaddrSize;
        int fd = Libc.accept4(listener, address, &length, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
        remote = fd < 0 ? default : NetEndPoint.FromSockaddr(new ReadOnlySpan<byte>(address, (int)length));
        return fd;
    }

    /// <summary>A new socket of the address's family, or -1 with <see cref="Libc.Errno"/> set.</summary>
    public static int Open(in NetEndPoint target) =>
        Libc.socket(target.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);

    /// <summary>Binds to a local address; 0 or an errno. With port 0 the kernel picks the port only at connect, so that it may be
    /// used towards every destination at once (ip(7), IP_BIND_ADDRESS_NO_PORT).</summary>
    public static int BindSource(int fd, in NetEndPoint source)
    {
        SetOption(fd, Libc.IPPROTO_IP, Libc.IP_BIND_ADDRESS_NO_PORT, 1);
        return Bind(fd, source);
    }

    /// <summary>0 when connected at once, EINPROGRESS, or another errno.</summary>
    public static int Connect(int fd, in NetEndPoint target)
    {
        byte* address = stackalloc byte[NetEndPoint.MaxSockaddrSize];
        int length = target.WriteSockaddr(new Span<byte>(address, NetEndPoint.MaxSockaddrSize));
        return Libc.connect(fd, address, (uint)length) == 0 ? 0 : Libc.Errno;
    }

    /// <summary>Opens a listening socket.</summary>
    /// <exception cref="IOException">With the address and the system's reason: in use, not permitted, not available.</exception>
    public static int Listen(IPEndPoint at, int backlog)
    {
        var target = NetEndPoint.From(at);
        int fd = Open(target);
        if (fd < 0) throw ListenFailed(at, Libc.Errno);
        SetOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        SetOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEPORT, 1);
        if (!target.IsIPv4) SetOption(fd, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, at.Address.Equals(IPAddress.IPv6Any) ? 0 : 1);
        int error = Bind(fd, target);
        if (error == 0 && Libc.listen(fd, backlog) != 0) error = Libc.Errno;
        if (error == 0) return fd;
        Libc.close(fd);
        throw ListenFailed(at, error);
    }

    /// <summary>Takes an address exclusively for a moment: SO_REUSEPORT would let two nodes of one user share a port silently.</summary>
    /// <exception cref="IOException">The address is in use or not available.</exception>
    public static void DemandFree(IPEndPoint at)
    {
        var target = NetEndPoint.From(at);
        if (target.Port == 0) return;
        int fd = Open(target);
        if (fd < 0) throw ListenFailed(at, Libc.Errno);
        SetOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        if (!target.IsIPv4) SetOption(fd, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, at.Address.Equals(IPAddress.IPv6Any) ? 0 : 1);
        int error = Bind(fd, target);
        Libc.close(fd);
        if (error != 0) throw ListenFailed(at, error);
    }

    public static NetEndPoint LocalEndPoint(int fd)
    {
        byte* address = stackalloc byte[NetEndPoint.MaxSockaddrSize];
        uint length = NetEndPoint.MaxSockaddrSize;
        return Libc.getsockname(fd, address, &length) == 0 ? NetEndPoint.FromSockaddr(new ReadOnlySpan<byte>(address, (int)length)) : default;
    }

    /// <summary>Whether a socket that was being connected is so by now.</summary>
    public static bool IsConnected(int fd)
    {
        byte* address = stackalloc byte[NetEndPoint.MaxSockaddrSize];
        uint length = NetEndPoint.MaxSockaddrSize;
        return Libc.getpeername(fd, address, &length) == 0;
    }

    /// <summary>The pending error of a socket, cleared by the call; 0 is none.</summary>
    public static int TakeError(int fd)
    {
        int error = 0;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, Libc.SOL_SOCKET, Libc.SO_ERROR, &error, &length) == 0 ? error : Libc.Errno;
    }

    /// <summary>Changes how many connections may wait on a listening socket.</summary>
    public static void SetBacklog(int fd, int backlog) => Libc.listen(fd, backlog);

    public static void SetNoDelay(int fd, bool on) => SetOption(fd, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, on ? 1 : 0);

    /// <summary>Has the kernel hold back an acknowledgement until there is something to send with it (tcp(7), TCP_QUICKACK), which a
    /// socket that is not yet connected does for the last step of its handshake too: one segment less, and the listener wakes once.</summary>
    public static void DelayAcknowledgement(int fd) => SetOption(fd, Libc.IPPROTO_TCP, Libc.TCP_QUICKACK, 0);

    /// <summary>TCP keep-alive after <paramref name="idleSeconds"/> of silence, three probes at a third of it (tcp(7)); 0 is off.</summary>
    /// <param name="counted">False leaves out the number of probes, which a user time-out makes void (tcp(7), TCP_USER_TIMEOUT).</param>
    public static void SetKeepAlive(int fd, int idleSeconds, bool counted = true)
    {
        SetOption(fd, Libc.SOL_SOCKET, Libc.SO_KEEPALIVE, idleSeconds > 0 ? 1 : 0);
        if (idleSeconds <= 0) return;
        SetOption(fd, Libc.IPPROTO_TCP, Libc.TCP_KEEPIDLE, idleSeconds);
        SetOption(fd, Libc.IPPROTO_TCP, Libc.TCP_KEEPINTVL, Math.Max(1, idleSeconds / 3));
        if (counted) SetOption(fd, Libc.IPPROTO_TCP, Libc.TCP_KEEPCNT, 3);
    }

    /// <param name="milliseconds">0 leaves it to the system.</param>
    public static void SetUserTimeout(int fd, int milliseconds) => SetOption(fd, Libc.IPPROTO_TCP, Libc.TCP_USER_TIMEOUT, milliseconds);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void ShutdownWrite(int fd) => Libc.shutdown(fd, Libc.SHUT_WR);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Close(int fd) => Libc.close(fd);

    private static int Bind(int fd, in NetEndPoint at)
    {
        byte* address = stackalloc byte[NetEndPoint.MaxSockaddrSize];
        int length = at.WriteSockaddr(new Span<byte>(address, NetEndPoint.MaxSockaddrSize));
        return Libc.bind(fd, address, (uint)length) == 0 ? 0 : Libc.Errno;
    }

    private static void SetOption(int fd, int level, int name, int value) => Libc.setsockopt(fd, level, name, &value, sizeof(int));

    private static int Classify()
    {
        int errno = Libc.Errno;
        return errno is Libc.EAGAIN or Libc.EINTR ? WouldBlock : Failed;
    }

    private static IOException ListenFailed(IPEndPoint at, int errno) => new($"cannot listen on {at}: {errno switch
    {
        Libc.EADDRNOTAVAIL => SocketFailure.Describe(SocketError.AddressNotAvailable),
        Libc.EADDRINUSE => SocketFailure.Describe(SocketError.AddressAlreadyInUse),
        Libc.EACCES => SocketFailure.Describe(SocketError.AccessDenied),
        _ => Libc.ErrorText(errno),
    }}");
}
