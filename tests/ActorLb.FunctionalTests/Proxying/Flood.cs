using System.Collections.Concurrent;
using System.Net.Sockets;
using ActorLb.Protocol.Tests.WebSocket;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>Peers that send as fast as they are read. One thread serves them all, so that they take no more than that from the machine.</summary>
internal sealed class Flood : IAsyncDisposable
{
    private const int Length = 64 << 10;

    private readonly ConcurrentQueue<Peer> _added = new();
    private readonly List<Peer> _peers = [];
    private readonly byte[] _answers = new byte[Length];
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public Flood() => _running = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>64 KiB of small frames that carry nothing.</summary>
    public static byte[] Frames(string what, bool masked)
    {
        (byte first, byte[] payload) = what switch
        {
            "pings" => ((byte)0x89, Array.Empty<byte>()),
            "pongs" => ((byte)0x8A, []),
            "pings with a payload" => ((byte)0x89, new byte[125]),
            "empty fragments" => ((byte)0, []),
            _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
        };
        byte[] frame = masked ? MalformedFrames.Masked(first, payload) : [first, (byte)payload.Length, .. payload];
        byte[] all = new byte[Length / frame.Length * frame.Length];
        for (int at = 0; at < all.Length; at += frame.Length)
            frame.CopyTo(all, at);
        return all;
    }

    /// <param name="bytes">Sent over and over; with none it only reads.</param>
    /// <param name="reads">Takes what comes and drops it.</param>
    public void Add(Socket socket, byte[] bytes, bool reads)
    {
        socket.Blocking = false;
        _added.Enqueue(new Peer(socket, bytes, reads));
    }

    /// <summary>Resets what is left of the connections.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        foreach (var peer in _peers.Concat(_added))
        {
            peer.Socket.LingerState = new LingerOption(true, 0);
            peer.Socket.Dispose();
        }

        _stop.Dispose();
    }

    private void Run()
    {
        while (!_stop.IsCancellationRequested)
        {
            while (_added.TryDequeue(out var added))
                _peers.Add(added);
            bool moved = false;
            for (int i = _peers.Count - 1; i >= 0; i--)
            {
                if (_peers[i].TryMove(_answers, out bool any))
                    moved |= any;
                else
                    _peers.RemoveAt(i);
            }

            if (!moved)
                Thread.Sleep(1);
        }
    }

    private sealed class Peer(Socket socket, byte[] bytes, bool reads)
    {
        private int _at;

        public Socket Socket => socket;

        /// <summary>False when the other side has ended.</summary>
        public bool TryMove(byte[] answers, out bool any)
        {
            any = false;
            if (bytes.Length > 0)
            {
                int sent = socket.Send(bytes.AsSpan(_at), SocketFlags.None, out var error);
                if (error is not (SocketError.Success or SocketError.WouldBlock))
                    return false;
                _at = (_at + Math.Max(0, sent)) % bytes.Length;
                any = sent > 0;
            }

            if (!reads)
                return true;
            int received = socket.Receive(answers, SocketFlags.None, out var readError);
            any |= received > 0;
            return received > 0 || readError == SocketError.WouldBlock;
        }
    }
}
