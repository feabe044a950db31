using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Native;

namespace ActorLb.Proxying.Streams;

/// <summary>What a socket is connected to, and from where.</summary>
/// <param name="Local">Null leaves the address to the system.</param>
internal sealed record SocketTarget(IPEndPoint Remote, IPAddress? Local, TcpOptions Tcp)
{
    // linux/in.h; see ip(7)
    private const int IPPROTO_IP = 0, IP_BIND_ADDRESS_NO_PORT = 24;

    /// <summary>An unconnected socket, bound to the local address.</summary>
    /// <exception cref="SocketException">No descriptor left, or the address is not this machine's.</exception>
    public Socket Open()
    {
        var socket = new Socket(Remote.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (OperatingSystem.IsLinux() && FileDescriptors.IsReserved((int)socket.Handle)) throw new SocketException((int)SocketError.TooManyOpenSockets);
            SocketTuning.Apply(socket, Tcp);
            if (Local is null) return socket;
            // The port is chosen when the destination is known, so that it may be used towards every destination at once.
            if (OperatingSystem.IsLinux()) socket.SetRawSocketOption(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, BitConverter.GetBytes(1));
            socket.Bind(new IPEndPoint(Local, 0));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
