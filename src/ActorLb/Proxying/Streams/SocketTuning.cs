using System.Net.Sockets;
using ActorLb.Configuration;

namespace ActorLb.Proxying.Streams;

/// <summary>A pool's <c>tcp</c> settings on a socket of .NET.</summary>
internal static class SocketTuning
{
    // linux/tcp.h; see tcp(7)
    private const int IPPROTO_TCP = 6, TCP_USER_TIMEOUT = 18;

    /// <summary>Probes before a silent peer is given up.</summary>
    private const int Probes = 3;

    /// <summary>On Linux, sockets that a listening one accepts have its settings.</summary>
    public static bool IsInherited => OperatingSystem.IsLinux();

    public static void Apply(Socket socket, TcpOptions options)
    {
        socket.NoDelay = options.NoDelay;
        int idle = (int)Math.Ceiling(options.KeepAlive.TotalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, idle > 0);
        if (idle > 0)
        {
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, idle);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Math.Max(1, idle / 3));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
        }
        if (OperatingSystem.IsLinux() && options.UserTimeout > TimeSpan.Zero)
            socket.SetRawSocketOption(IPPROTO_TCP, TCP_USER_TIMEOUT, BitConverter.GetBytes((int)options.UserTimeout.TotalMilliseconds));
    }
}
