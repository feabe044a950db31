using System.Net;
using System.Net.Sockets;

namespace ActorLb.Server.Demo;

/// <summary>The demo's preferred loopback ports.</summary>
internal static class DemoPort
{
    /// <returns>The port, or 0 for any free one if it is in use.</returns>
    public static int OrAny(int wanted)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, wanted));
            return wanted;
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    /// <summary>A note that another port than the usual one is used; empty if it is the usual one.</summary>
    public static string Note(int wanted, int port) => port == wanted ? "" : $"   (port {wanted} is in use)";
}
