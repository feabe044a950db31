using System.Net;
using ActorLb.Configuration;

namespace ActorLb.Proxying.Reactors;

/// <summary>How connections are accepted, made and read: what differs between <c>node.data-plane</c>'s choices. All else is shared.</summary>
internal interface IDataPlane : IAsyncDisposable
{
    IReadOnlyList<Reactor> Reactors { get; }

    /// <summary>Starts the reactors.</summary>
    void Start();

    /// <summary>Fails if an address is in use already, by whomever.</summary>
    /// <exception cref="IOException">The address is in use or not available.</exception>
    void DemandFree(IPEndPoint at);

    /// <summary>Opens a listening socket, which takes no connections yet. One of all IPv6 addresses takes those of IPv4 too, where no other does.</summary>
    /// <exception cref="IOException">With the address and the system's reason: in use, not permitted, not available.</exception>
    ListenerBinding Listen(IPEndPoint at, int backlog, TcpOptions tcp);

    /// <summary>Goes on with listening sockets that another process opened.</summary>
    /// <exception cref="IOException">Further sockets are needed and cannot be opened.</exception>
    ListenerBinding Adopt(InheritedListener inherited, int backlog, TcpOptions tcp);
}

/// <summary>An open listening socket, of whatever kind a data plane has.</summary>
internal abstract class ListenerBinding
{
    /// <summary>The configured address with the port in use: what the kernel gave for port 0.</summary>
    public abstract IPEndPoint Bound { get; }

    /// <summary>Copies of the socket's descriptors for another process of this node: <see cref="Native.LentDescriptors"/>.</summary>
    /// <exception cref="IOException">No descriptor is left.</exception>
    public abstract int[] Lend();

    /// <summary>Puts changed options into force.</summary>
    public abstract void Retune(ListenerOptions options, TcpOptions tcp);

    /// <summary>Begins to take connections for a listener. The system's queue holds who came before.</summary>
    public abstract Task StartAsync(Listener listener);

    /// <summary>Closes the socket: the system refuses new connections. Who is connected already and waits is accepted first, for closing
    /// would reset them; what was accepted stays.</summary>
    public abstract Task StopAsync();

    /// <summary>Closes a socket that was never started.</summary>
    public abstract void Discard();
}
