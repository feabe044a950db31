using System.Net.Sockets;
using ActorLb.Native;

namespace ActorLb.Proxying.Streams;

/// <summary>.NET's socket errors as the errno values by which the steps of a session decide whose fault a failure is.</summary>
internal static class SocketErrors
{
    public static int ToErrno(SocketError error) => error switch
    {
        SocketError.TooManyOpenSockets => Libc.EMFILE,
        SocketError.NoBufferSpaceAvailable => Libc.ENOBUFS,
        SocketError.AddressNotAvailable => Libc.EADDRNOTAVAIL,
        SocketError.AddressAlreadyInUse => Libc.EADDRINUSE,
        SocketError.AddressFamilyNotSupported => Libc.EAFNOSUPPORT,
        SocketError.AccessDenied => Libc.EACCES,
        SocketError.ConnectionRefused => Libc.ECONNREFUSED,
        SocketError.ConnectionAborted => Libc.ECONNABORTED,
        SocketError.TimedOut => Libc.ETIMEDOUT,
        SocketError.HostUnreachable or SocketError.HostDown => Libc.EHOSTUNREACH,
        SocketError.NetworkUnreachable or SocketError.NetworkDown => Libc.ENETUNREACH,
        SocketError.Shutdown => Libc.EPIPE,
        _ => Libc.ECONNRESET,
    };
}
