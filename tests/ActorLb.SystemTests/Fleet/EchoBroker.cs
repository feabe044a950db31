using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Sends every byte back, each connection on a thread of its own.</summary>
internal sealed class EchoBroker : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public EchoBroker()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(64);
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public IPEndPoint EndPoint { get; }

    private void Accept()
    {
        try
        {
            while (true)
            {
                var socket = _listener.Accept();
                socket.NoDelay = true;
                new Thread(() => Echo(socket)) { IsBackground = true, Priority = ThreadPriority.Highest }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static void Echo(Socket socket)
    {
        try
        {
            using (socket)
            {
                byte[] bytes = new byte[256];
                socket.Receive(bytes);
                socket.Send(MarkedBroker.Connack(0));
                for (int read; (read = socket.Receive(bytes)) > 0;)
                    socket.Send(bytes, read, SocketFlags.None);
            }
        }
        catch (SocketException)
        {
            // Its client has gone.
        }
    }

    public void Dispose() => _listener.Dispose();
}
