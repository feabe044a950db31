using System.Net.Sockets;
using ActorLb.Native;
using Akka.Streams.Dsl;
using Akka.Streams.Stage;

namespace ActorLb.Proxying.Streams;

/// <summary>
/// A session's graph at work. What its ports bring becomes the session's news, as a reactor's events are; the session's steps are those
/// of all data planes. Each backend that is tried is a stream of its own within the graph, in the same actor.
/// </summary>
internal sealed class SessionGraph : GraphStageLogic
{
    private readonly SessionStage _stage;
    private readonly StreamsReactor _reactor;
    private readonly StreamSide _client;
    private readonly ClientPorts _clientPorts;
    private StreamSide? _dialled;
    private BackendPorts? _backend;

    // Given up for others, and not closed yet: what was sent to them still goes.
    private List<BackendPorts>? _left;
    private Action _settle = null!;
    private bool _isMyTurn, _awaitsTurn, _clientIsClosed;

    public SessionGraph(SessionStage stage)
        : base(stage.Shape)
    {
        _stage = stage;
        _reactor = stage.Reactor;
        _client = new StreamSide(this);
        _clientPorts = new ClientPorts(this);
        SetHandler(stage.In, _clientPorts);
        SetHandler(stage.Out, _clientPorts);
    }

    public override void PreStart()
    {
        SetKeepGoing(true);
        _settle = GetAsyncCallback(() =>
        {
            _awaitsTurn = false;
            Settle();
        });
        _isMyTurn = true;
        _reactor.Admit(_stage.Listener, _client, NetEndPoint.From(_stage.Remote), NetEndPoint.From(_stage.Local));
        Settle();
        _isMyTurn = false;
    }

    public override void PostStop()
    {
        // The stream was ended from outside, with all others: nobody else closes the session then.
        if (_client.Session is { } session) _reactor.Abandon(session);
    }

    /// <summary>The session wants something of its ports.</summary>
    public void HasWishes()
    {
        if (_isMyTurn || _awaitsTurn) return;
        _awaitsTurn = true;
        _settle();
    }

    /// <summary>A stream to the session's backend, once this turn is over.</summary>
    public StreamSide Dial(SocketTarget target)
    {
        if (_backend is not null) (_left ??= []).Add(_backend);
        _backend = null;
        _dialled = new StreamSide(this) { Target = target };
        HasWishes();
        return _dialled;
    }

    /// <summary>Has the session go on with what has come to one of its sides.</summary>
    private void Tell(StreamSide side, News news)
    {
        if (side.Session is not { } session) return;
        bool upstream = ReferenceEquals(session.Upstream.Stream, side);
        if (!upstream && !ReferenceEquals(session.Client.Stream, side)) return;
        ref var known = ref upstream ? ref session.Upstream : ref session.Client;
        if (news != News.Room) known.Readable = true;
        if (news is News.Room or News.Failure) known.Writable = true;
        if (news is News.End or News.Failure) known.PeerClosed = true;
        if (news == News.Failure) known.HungUp = true;
        _isMyTurn = true;
        _reactor.Advance(session, upstream);
        Settle();
        _isMyTurn = false;
    }

    private enum News { Bytes, Room, End, Failure }

    /// <summary>Carries out what the session wants of its ports.</summary>
    private void Settle()
    {
        bool mine = _isMyTurn;
        _isMyTurn = true;
        if (_dialled is { Closing: false } target) _backend = Open(target);
        _dialled = null;
        if (_backend is not null && Settle(_backend.Side, _backend)) _backend = null;
        _left?.RemoveAll(static left => Settle(left.Side, left));
        if (!_clientIsClosed) _clientIsClosed = Settle(_client, _clientPorts);
        if (_clientIsClosed && _backend is null && _left is not { Count: > 0 }) CompleteStage();
        _isMyTurn = mine;
    }

    /// <summary>True when the side is closed.</summary>
    private static bool Settle(StreamSide side, IPorts ports)
    {
        if (side.Unsent is not null && ports.CanPush) ports.Push(side.TakeUnsent());
        if (side.Closing)
        {
            // In this order the connection is closed at once.
            ports.Cancel();
            if (side.Unsent is not null && !ports.IsOutClosed) return false;
            ports.Complete();
            return true;
        }
        if (side.Finishing && side.Unsent is null) ports.Complete();
        if (side.WantsMore && ports.CanPull) ports.Pull();
        return false;
    }

    private BackendPorts Open(StreamSide backend)
    {
        var inlet = new SubSinkInlet<ReadOnlyMemory<byte>>(this, "backend.in");
        var outlet = new SubSourceOutlet<ReadOnlyMemory<byte>>(this, "backend.out");
        var ports = new BackendPorts(this, backend, inlet, outlet);
        inlet.SetHandler(ports);
        outlet.SetHandler(ports);
        Source.FromGraph(outlet.Source).Via(SocketFlow.To(backend.Target!)).RunWith(inlet.Sink, SubFusingMaterializer);
        return ports;
    }

    /// <summary>A side's ports, as far as the session needs them.</summary>
    private interface IPorts
    {
        bool CanPush { get; }

        bool IsOutClosed { get; }

        bool CanPull { get; }

        void Push(byte[] bytes);

        void Pull();

        void Complete();

        void Cancel();
    }

    private sealed class ClientPorts(SessionGraph graph) : IPorts, IInHandler, IOutHandler
    {
        private readonly SessionStage _stage = graph._stage;

        public bool CanPush => graph.IsAvailable(_stage.Out);

        public bool IsOutClosed => graph.IsClosed(_stage.Out);

        public bool CanPull => !graph.IsClosed(_stage.In) && !graph.HasBeenPulled(_stage.In);

        public void Push(byte[] bytes) => graph.Push(_stage.Out, bytes);

        public void Pull() => graph.Pull(_stage.In);

        public void Complete() => graph.Complete(_stage.Out);

        public void Cancel() => graph.Cancel(_stage.In);

        public void OnPush() => graph.Bring(graph._client, graph.Grab(_stage.In));

        public void OnUpstreamFinish() => graph.Ended(graph._client);

        public void OnUpstreamFailure(Exception e) => graph.Failed(graph._client, e);

        public void OnPull() => graph.Room(graph._client);

        public void OnDownstreamFinish(Exception cause) => graph.NoRoom(graph._client);
    }

    private sealed class BackendPorts(
        SessionGraph graph, StreamSide side, SubSinkInlet<ReadOnlyMemory<byte>> inlet, SubSourceOutlet<ReadOnlyMemory<byte>> outlet)
        : IPorts, IInHandler, IOutHandler
    {
        public StreamSide Side => side;

        public bool CanPush => outlet.IsAvailable && !outlet.IsClosed;

        public bool IsOutClosed => outlet.IsClosed;

        public bool CanPull => !inlet.IsClosed && !inlet.HasBeenPulled;

        public void Push(byte[] bytes) => outlet.Push(bytes);

        public void Pull() => inlet.Pull();

        public void Complete()
        {
            if (!outlet.IsClosed) outlet.Complete();
        }

        public void Cancel()
        {
            if (!inlet.IsClosed) inlet.Cancel();
        }

        public void OnPush() => graph.Bring(side, inlet.Grab());

        public void OnUpstreamFinish() => graph.Ended(side);

        public void OnUpstreamFailure(Exception e) => graph.Failed(side, e);

        public void OnPull() => graph.Room(side);

        public void OnDownstreamFinish(Exception cause) => graph.NoRoom(side);
    }

    private void Bring(StreamSide side, ReadOnlyMemory<byte> chunk)
    {
        if (side.Closing) return;
        side.Received(chunk);
        Tell(side, News.Bytes);
    }

    private void Ended(StreamSide side)
    {
        side.End();
        Tell(side, News.End);
    }

    private void Failed(StreamSide side, Exception e)
    {
        side.Fail(SocketErrors.ToErrno(e is SocketException socket ? socket.SocketErrorCode : SocketError.SocketError));
        Tell(side, News.Failure);
    }

    private void Room(StreamSide side)
    {
        side.HadRoom = true;
        // What waits goes first; behind it there is room again.
        Settle();
        Tell(side, News.Room);
    }

    private void NoRoom(StreamSide side)
    {
        side.SendFails();
        Settle();
        // For a connection that never stood, the other port reports why.
        if (side.HadRoom) Tell(side, News.Room);
    }
}
