using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Clients that were there before: each sends a packet and waits for it to come back, again and again.</summary>
internal sealed class StormBystanders : IDisposable
{
    private readonly List<Socket> _sockets = [];
    private readonly List<long> _times = [];
    private volatile bool _stop;

    public StormBystanders(IPEndPoint[] fronts)
    {
        foreach (var front in fronts)
        {
            for (int i = 0; i < 8; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 20_000 };
                socket.Connect(front);
                socket.Send(ConnectBytes.V5($"other-{front.Port}-{i}"));
                byte[] connack = new byte[MarkedBroker.ConnackLength];
                Assert.Equal(connack.Length, socket.Receive(connack));
                _sockets.Add(socket);
            }
        }

        foreach (var socket in _sockets)
            new Thread(() => Run(socket)) { IsBackground = true, Priority = ThreadPriority.Highest }.Start();
    }

    /// <summary>Of what was measured since the last call.</summary>
    public TimeSpan TakeP99()
    {
        lock (_times)
        {
            _times.Sort();
            var p99 = Stopwatch.GetElapsedTime(0, _times[_times.Count * 99 / 100]);
            _times.Clear();
            return p99;
        }
    }

    private void Run(Socket socket)
    {
        // A PUBLISH of QoS 0, 64 bytes.
        byte[] packet = [0x30, 62, 0, 1, (byte)'t', .. new byte[59]];
        byte[] back = new byte[packet.Length];
        try
        {
            while (!_stop)
            {
                long start = Stopwatch.GetTimestamp();
                socket.Send(packet);
                for (int read, length = 0; length < back.Length; length += read)
                {
                    read = socket.Receive(back, length, back.Length - length, SocketFlags.None);
                    if (read == 0)
                        return;
                }

                long took = Stopwatch.GetTimestamp() - start;
                lock (_times)
                    _times.Add(took);
                // The pace at which it measures.
                Thread.Sleep(20);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    public void Dispose()
    {
        _stop = true;
        _sockets.ForEach(s => s.Dispose());
    }
}
