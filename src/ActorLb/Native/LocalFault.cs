using System.Net.Sockets;

namespace ActorLb.Native;

/// <summary>
/// Failures that this process or this machine is to blame for: no descriptor, memory or port left, or not permitted here. They say
/// nothing of the peer that was to be reached.
/// </summary>
internal static class LocalFault
{
    /// <summary>Of a call that failed at once. What a connection's handshake ended with is the network's word, EACCES among it
    /// (ICMPv6, administratively prohibited).</summary>
    public static bool Is(int errno) => IsShortage(errno) || IsOfAddress(errno) || errno is Libc.EACCES or Libc.EPERM or Libc.EAFNOSUPPORT;

    /// <summary>Descriptors or memory, which are short whatever is dialled.</summary>
    public static bool IsShortage(int errno) => errno is Libc.EMFILE or Libc.ENFILE or Libc.ENOMEM or Libc.ENOBUFS or Libc.ENOSPC;

    /// <summary>The source address, or its ports; EAGAIN as connect(2) has it.</summary>
    public static bool IsOfAddress(int errno) => errno is Libc.EADDRNOTAVAIL or Libc.EADDRINUSE or Libc.EAGAIN;

    /// <summary>As far as an exception shows, itself or by one that it wraps.</summary>
    public static bool Is(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
        {
            if (e is LocalFaultException or OutOfMemoryException || (e is SocketException socket && Is(socket.SocketErrorCode))) return true;
            // The runtime keeps the errno of a failed file operation there.
            if (e is IOException { HResult: Libc.EMFILE or Libc.ENFILE or Libc.ENOMEM }) return true;
        }
        return false;
    }

    /// <param name="atOnce">The call failed before it waited for anything.</param>
    public static bool Is(SocketError error, bool atOnce = false) => error switch
    {
        SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.AddressNotAvailable
            or SocketError.AddressAlreadyInUse or SocketError.AddressFamilyNotSupported => true,
        SocketError.AccessDenied => atOnce,
        _ => false,
    };
}

/// <summary>A step towards a peer failed by a <see cref="LocalFault"/>.</summary>
internal sealed class LocalFaultException(string message, Exception inner) : IOException(message, inner);
