using System.Collections.Concurrent;
using ActorLb.Native;

namespace ActorLb.Proxying;

/// <summary>
/// The clients that this node names to backends in PROXY headers, by their two addresses. Who comes in with a header that names one of
/// them, while it is connected, is this node's own connection: a backend leads back to the node. Kept only where the node both sends
/// such headers and accepts them.
/// </summary>
internal sealed class AnnouncedClients
{
    private readonly ConcurrentDictionary<(NetEndPoint Client, NetEndPoint Local), (string Pool, string Backend)> _clients = [];

    /// <summary>Set by the control plane.</summary>
    public volatile bool IsOn;

    /// <summary>The session's header goes to its backend.</summary>
    public void Enter(Session session)
    {
        if (session.IsAnnounced || !session.Remote.IsKnown) return;
        session.IsAnnounced = _clients.TryAdd((session.Remote, session.Local), (session.Pool.Name, session.Backend!.Id));
    }

    /// <summary>The session ends.</summary>
    public void Leave(Session session)
    {
        if (!session.IsAnnounced) return;
        session.IsAnnounced = false;
        _clients.TryRemove((session.Remote, session.Local), out _);
    }

    /// <summary>The pool and the backend to which this node names the client that the session's header names.</summary>
    public (string Pool, string Backend)? Find(Session session) =>
        _clients.TryGetValue((session.Remote, session.Local), out (string Pool, string Backend) to) ? to : null;
}
