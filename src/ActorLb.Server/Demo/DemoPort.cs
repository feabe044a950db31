using System.Net;
using System.Net.Sockets;

namespace ActorLb.Server.Demo;

/// <summary>A port of loopback that the demo would like to have.</summary>
internal static class DemoPort
{
    /// <returns>The port, or 0, any that is free, when somebody has it.</returns>
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

    /// <summary>Tells that another port than the usual one is used; empty when it is that one.</summary>
    public static string Note(int wanted, int port) => port == wanted ? "" : $"   (port {wanted} is in use)";
}
