using System.Buffers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Akka.Streams;
using Akka.Streams.Stage;

namespace ActorLb.Proxying.Streams;

/// <summary>
/// A TCP connection as a flow: what is pushed in is sent, what comes out was received. Back-pressure goes both ways: it receives only
/// when it is pulled, and pulls only when the socket has taken what came before. An end of the peer's direction completes the outlet;
/// completing the inlet ends this direction, and the connection is closed when both have ended or the outlet is cancelled as well. A
/// failed connection fails the outlet with a <see cref="SocketException"/>. The first pull says that the connection stands.
/// </summary>
/// <remarks>
/// Akka.Streams' own <c>Tcp().Bind</c> and <c>OutgoingConnection</c> (1.5.73) cannot be used here: connections are children of their
/// listener's actor and die when it is unbound, so a drain could not stop accepting first; each pull of a bound listener leaves another
/// accept operation behind; a failed connect has no reason, so a node that lacks ports would blame its backends; and every chunk passes
/// two more actors, which is most of its cost.
/// </remarks>
internal sealed class SocketFlow : GraphStage<FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>>
{
    /// <summary>What an idle connection holds to receive into (bytes); more while it receives as much at once.</summary>
    private const int LeastReceive = 4096;

    private const int MostReceive = 64 * 1024;

    /// <summary>How long a closed connection may take to send the last bytes.</summary>
    private static readonly TimeSpan LastSend = TimeSpan.FromSeconds(2);

    private readonly Inlet<ReadOnlyMemory<byte>> _in = new("socket.in");
    private readonly Outlet<ReadOnlyMemory<byte>> _out = new("socket.out");
    private readonly Socket? _socket;
    private readonly SocketTarget? _target;

    private SocketFlow(Socket? socket, SocketTarget? target)
    {
        _socket = socket;
        _target = target;
        Shape = new FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>(_in, _out);
    }

    public override FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> Shape { get; }

    /// <param name="socket">Connected; the flow closes it. To be run once.</param>
    public static SocketFlow Of(Socket socket) => new(socket, null);

    /// <summary>Connects when it is run.</summary>
    public static SocketFlow To(SocketTarget target) => new(null, target);

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) => new Logic(this);

    private sealed class Logic : TimerGraphStageLogic, IInHandler, IOutHandler
    {
        private readonly Inlet<ReadOnlyMemory<byte>> _in;
        private readonly Outlet<ReadOnlyMemory<byte>> _out;
        private readonly SocketTarget? _target;
        private readonly SocketAsyncEventArgs _receive = new(), _send = new();
        private Socket? _socket;
        private Action<SocketAsyncEventArgs> _completed = null!;
        private byte[]? _buffer;
        private int _size = LeastReceive;
        private SocketError _lost;
        private bool _connected, _receiving, _sending, _ended, _closed;

        public Logic(SocketFlow flow)
            : base(flow.Shape)
        {
            _in = flow._in;
            _out = flow._out;
            _socket = flow._socket;
            _target = flow._target;
            SetHandler(_in, this);
            SetHandler(_out, this);
        }

        public override void PreStart()
        {
            SetKeepGoing(true);
            _completed = GetAsyncCallback<SocketAsyncEventArgs>(Completed);
            _receive.Completed += (_, e) => _completed(e);
            _send.Completed += (_, e) => _completed(e);
            if (_socket is null)
            {
                Connect();
                return;
            }
            _connected = true;
            Pull(_in);
        }

        public override void PostStop() => Close();

        public void OnPull()
        {
            if (_connected && !_ended) Receive();
        }

        public void OnPush()
        {
            // The socket sends all of it, or fails.
            _send.SetBuffer(MemoryMarshal.AsMemory(Grab(_in)));
            _sending = true;
            if (!_socket!.SendAsync(_send)) Sent();
        }

        public void OnUpstreamFinish()
        {
            if (_connected && !_sending && !IsClosed(_out)) EndSending();
            CloseWhenDone();
        }

        public void OnUpstreamFailure(Exception e)
        {
            Abort();
            FailStage(e);
        }

        /// <summary>Nobody reads any more: what is still to be sent has a bounded time.</summary>
        public void OnDownstreamFinish(Exception cause)
        {
            if (_sending && _connected) ScheduleOnce(nameof(LastSend), LastSend);
            CloseWhenDone();
        }

        protected override void OnTimer(object timerKey)
        {
            Abort();
            CompleteStage();
        }

        private void Connect()
        {
            var target = _target!;
            try
            {
                _socket = target.Open();
                _send.RemoteEndPoint = target.Remote;
                _sending = true;
                if (!_socket.ConnectAsync(_send)) Connected();
            }
            catch (SocketException e)
            {
                FailStage(e);
            }
        }

        private void Completed(SocketAsyncEventArgs e)
        {
            if (_closed) return;
            if (e == _receive) Received();
            else if (_connected) Sent();
            else Connected();
        }

        private void Connected()
        {
            _sending = false;
            if (_send.SocketError != SocketError.Success)
            {
                FailStage(new SocketException((int)_send.SocketError));
                return;
            }
            _connected = true;
            if (IsClosed(_in))
            {
                EndSending();
                CloseWhenDone();
            }
            else
            {
                Pull(_in);
            }
            if (!_closed && IsAvailable(_out)) Receive();
        }

        private void Receive()
        {
            _buffer ??= ArrayPool<byte>.Shared.Rent(_size);
            _receive.SetBuffer(_buffer, 0, Math.Min(_buffer.Length, MostReceive));
            _receiving = true;
            if (!_socket!.ReceiveAsync(_receive)) Received();
        }

        private void Received()
        {
            _receiving = false;
            int received = _receive.BytesTransferred;
            if (_receive.SocketError != SocketError.Success)
            {
                FailStage(new SocketException((int)_receive.SocketError));
                return;
            }
            if (received == 0 && _lost != SocketError.Success)
            {
                // The send that failed took the socket's error with it.
                FailStage(new SocketException((int)_lost));
                return;
            }
            if (received == 0)
            {
                _ended = true;
                ReturnBuffer();
                Complete(_out);
                CloseWhenDone();
                return;
            }
            if (!IsClosed(_out)) Push(_out, _buffer.AsSpan(0, received).ToArray());
            Resize(received);
        }

        /// <summary>Who sends much at once is given room for it; who does not, gives it back.</summary>
        private void Resize(int received)
        {
            int size = received >= _size ? Math.Min(_size * 4, MostReceive) : received < _size / 8 ? LeastReceive : _size;
            if (size == _size) return;
            _size = size;
            ReturnBuffer();
        }

        private void Sent()
        {
            _sending = false;
            if (_send.SocketError != SocketError.Success)
            {
                // What the peer sent before it went is still read.
                _lost = _send.SocketError;
                if (!IsClosed(_in)) Cancel(_in, new SocketException((int)_send.SocketError));
                CloseWhenDone();
            }
            else if (!IsClosed(_in))
            {
                Pull(_in);
            }
            else
            {
                if (!IsClosed(_out)) EndSending();
                CloseWhenDone();
            }
        }

        private void EndSending()
        {
            try
            {
                _socket!.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // The connection has failed: the read reports it.
            }
        }

        private void CloseWhenDone()
        {
            if (!IsClosed(_in) || !(IsClosed(_out) || _ended)) return;
            if (_sending && _connected)
            {
                if (!IsTimerActive(nameof(LastSend))) ScheduleOnce(nameof(LastSend), LastSend);
                return;
            }
            // Disposed of with a receive under way and its direction open, a socket would be reset.
            if (_receiving) EndSending();
            Close();
            CompleteStage();
        }

        private void Abort()
        {
            if (!_closed && _socket is not null) _socket.LingerState = new LingerOption(enable: true, 0);
            Close();
        }

        private void Close()
        {
            if (_closed) return;
            _closed = true;
            _socket?.Dispose();
            // An operation under way still uses what it was given: the collector takes it then.
            if (_receiving) _buffer = null;
            else _receive.Dispose();
            if (!_sending) _send.Dispose();
            ReturnBuffer();
        }

        private void ReturnBuffer()
        {
            if (_buffer is not null) ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }
    }
}
