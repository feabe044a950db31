using System.Net;
using ActorLb.Proxying.Reactors;
using Akka.Streams;
using Akka.Streams.Stage;

namespace ActorLb.Proxying.Streams;

/// <summary>The stage that is joined with a client's <see cref="SocketFlow"/>: a session, with its backend's connection as a stream within.</summary>
internal sealed class SessionStage : GraphStage<FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>>
{
    public SessionStage(StreamsReactor reactor, ListenerSocket listener, IPEndPoint remote, IPEndPoint local)
    {
        Reactor = reactor;
        Listener = listener;
        Remote = remote;
        Local = local;
        Shape = new FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>(In, Out);
    }

    public StreamsReactor Reactor { get; }

    public ListenerSocket Listener { get; }

    public IPEndPoint Remote { get; }

    public IPEndPoint Local { get; }

    public Inlet<ReadOnlyMemory<byte>> In { get; } = new("session.in");

    public Outlet<ReadOnlyMemory<byte>> Out { get; } = new("session.out");

    public override FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> Shape { get; }

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) => new SessionGraph(this);
}
