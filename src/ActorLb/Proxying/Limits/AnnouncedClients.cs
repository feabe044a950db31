using System.Collections.Concurrent;
using ActorLb.Native;

namespace ActorLb.Proxying.Limits;

/// <summary>
/// The clients that this node names to backends in PROXY headers, by their two addresses. Who comes in with a header that names one of
/// them, soon after it was sent, is this node's own connection: a backend leads back to the node. Kept only where the node both sends
/// such headers and accepts them.
/// </summary>
internal sealed class AnnouncedClients
{
    /// <summary>How long a header may be under way (milliseconds). A client may well come again from the same port later, while the
    /// session that it had hangs.</summary>
    internal const int UnderWay = 2000;

    private readonly ConcurrentDictionary<(NetEndPoint Client, NetEndPoint Local), Announcement> _clients = [];

    /// <summary>Set by the control plane.</summary>
    public volatile bool IsOn;

    /// <summary>A header that was sent for a session.</summary>
    internal sealed record Announcement(string Pool, string Backend, long SentAt);

    /// <summary>The session's header goes to its backend.</summary>
    /// <param name="now">The reactor's clock.</param>
    public void Enter(Session session, long now)
    {
        if (!session.Remote.IsKnown) return;
        session.Announced = new Announcement(session.Pool.Name, session.Backend!.Id, now);
        _clients[(session.Remote, session.Local)] = session.Announced;
    }

    /// <summary>The session ends.</summary>
    public void Leave(Session session)
    {
        if (session.Announced is null) return;
        // Another session of these addresses may have come since.
        _clients.TryRemove(new((session.Remote, session.Local), session.Announced));
        session.Announced = null;
    }

    /// <summary>The pool and the backend to which this node has just named the client that the session's header names.</summary>
    public (string Pool, string Backend)? Find(Session session, long now) =>
        _clients.TryGetValue((session.Remote, session.Local), out var sent) && now - sent.SentAt < UnderWay ? (sent.Pool, sent.Backend) : null;
}
