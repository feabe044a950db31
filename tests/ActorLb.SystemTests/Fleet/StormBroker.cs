using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Accepts whoever comes and notes when the CONNECT came: by the kernel's word, so that a busy machine does not move the times.</summary>
internal sealed class StormBroker : IDisposable
{
    /// <summary>tcp(7) and linux/tcp.h: where struct tcp_info has the milliseconds since data came last.</summary>
    private const int Tcp = 6, TcpInfo = 11, LastDataReceived = 52;

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _open = [];
    private readonly List<long> _came = [];
    private readonly int _number;

    public StormBroker(int number)
    {
        _number = number;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(4096);
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public IPEndPoint EndPoint { get; }

    public int Seen
    {
        get
        {
            lock (_came)
                return _came.Count;
        }
    }

    public void Forget()
    {
        lock (_came)
            _came.Clear();
    }

    /// <summary>Of all windows of a second that begin with a client, the fullest.</summary>
    public int MostInASecond()
    {
        lock (_came)
        {
            int most = 0;
            _came.Sort();
            for (int first = 0, last = 0; first < _came.Count; first++)
            {
                while (last < _came.Count && _came[last] - _came[first] < Stopwatch.Frequency)
                    last++;
                most = Math.Max(most, last - first);
            }

            return most;
        }
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                var socket = _listener.Accept();
                lock (_came)
                    _open.Add(socket);
                _ = ServeAsync(socket);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Note(Socket socket)
    {
        byte[] info = new byte[104];
        socket.GetRawSocketOption(Tcp, TcpInfo, info);
        long came = Stopwatch.GetTimestamp() - (BitConverter.ToUInt32(info, LastDataReceived) * Stopwatch.Frequency / 1000);
        lock (_came)
            _came.Add(came);
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            byte[] bytes = new byte[64];
            await socket.ReceiveAsync(bytes);
            Note(socket);
            await socket.SendAsync(MarkedBroker.Connack(_number));
            while (await socket.ReceiveAsync(bytes) > 0)
            {
                // They say nothing more.
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut off with its node, or by the test's end.
        }
        finally
        {
            socket.Dispose();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        lock (_came)
            _open.ForEach(s => s.Dispose());
    }
}
