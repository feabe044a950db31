using System.Net.Sockets;

namespace ActorLb.Protocol.Failures;

/// <summary>What a socket error means.</summary>
public static class SocketFailure
{
    public static string Describe(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => "connection refused: nothing is listening there",
        SocketError.ConnectionReset => "the other side reset the connection",
        SocketError.ConnectionAborted or SocketError.Shutdown or SocketError.Disconnecting => "the connection is closed",
        SocketError.TimedOut => "no answer: the connection timed out",
        SocketError.HostNotFound or SocketError.NoData => "no such host name",
        SocketError.TryAgain => "the host name cannot be resolved: no name server answers",
        SocketError.HostUnreachable or SocketError.HostDown => "no route to this host",
        SocketError.NetworkUnreachable or SocketError.NetworkDown => "no route to this network",
        SocketError.AddressNotAvailable => "it is not an address of this machine, or has no free port left",
        SocketError.AddressAlreadyInUse => "the address is in use by another program",
        SocketError.AccessDenied => "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)",
        SocketError.TooManyOpenSockets => "too many open files",
        SocketError.NoBufferSpaceAvailable => "no memory left for sockets",
        SocketError.AddressFamilyNotSupported => "this machine does not support the address's protocol (IPv6 may be off)",
        _ => new SocketException((int)error).Message, // the system's words
    };
}
