using System.Globalization;
using System.Text;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;

namespace ActorLb.Operations;

/// <summary>
/// The node's sessions for people. Each reactor is asked for a bounded stretch at a time, so that looking through a hundred thousand
/// sessions holds up no client.
/// </summary>
internal sealed class SessionDirectory(string node, IReadOnlyList<Reactor> reactors)
{
    /// <summary>Slots looked at in one turn of a reactor: well under a millisecond.</summary>
    private const int Stretch = 4096;

    /// <summary>Client ids of one page, together: an id may have 65,535 bytes, each of them six in JSON.</summary>
    private const int PageBytes = 256 * 1024;

    /// <summary>Kicked in one turn of a reactor.</summary>
    private const int KicksAtOnce = 256;

    /// <summary>Sessions from a place on. Who comes or goes meanwhile may be missed; nobody who stays is, or comes twice.</summary>
    /// <param name="limit">At most; fewer when their client ids are long.</param>
    /// <param name="after">A page's <see cref="SessionPage.Next"/>, or null for the beginning.</param>
    /// <returns>Null when <paramref name="after"/> is no such place.</returns>
    public async Task<SessionPage?> ListAsync(SessionFilter filter, string? after, int limit, CancellationToken cancel)
    {
        if (!TryReadPlace(after, out int index, out int slot)) return null;
        var found = new List<SessionInfo>();
        int bytesLeft = PageBytes;
        for (; index < reactors.Count; index++, slot = 0)
        {
            bool more = true;
            while (more)
            {
                cancel.ThrowIfCancellationRequested();
                int from = slot, room = limit - found.Count, bytes = bytesLeft;
                (List<SessionInfo> part, int next, bytesLeft, more) =
                    await reactors[index].AskAsync(r => Collect(r, filter, from, room, bytes)).ConfigureAwait(false);
                found.AddRange(part);
                slot = next;
                if (found.Count == limit || bytesLeft <= 0) return new SessionPage([.. found], Place(index, slot));
            }
        }
        return new SessionPage([.. found], null);
    }

    /// <summary>Ends the sessions of a client id; how many there were.</summary>
    public async Task<int> KickAsync(string clientId, CancellationToken cancel)
    {
        SessionFilter filter = SessionFilter.OfClient(clientId);
        int kicked = 0;
        foreach (Reactor reactor in reactors)
        {
            int slot = 0;
            bool more = true;
            while (more)
            {
                cancel.ThrowIfCancellationRequested();
                int from = slot;
                (int count, slot, more) = await reactor.AskAsync(r => Kick(r, filter, from)).ConfigureAwait(false);
                kicked += count;
            }
        }
        return kicked;
    }

    public static string StateOf(Phase phase) => phase switch
    {
        Phase.ProxyHeader => "proxy-header",
        Phase.TlsHandshake => "tls",
        Phase.Upgrade => "upgrade",
        Phase.Connect => "connect",
        Phase.Routing => "routing",
        Phase.Dialing => "dialing",
        Phase.BackendPreamble or Phase.BackendTls or Phase.BackendUpgrade => "backend-setup",
        Phase.Connack => "connack",
        Phase.Relay => "established",
        _ => "closing",
    };

    private (List<SessionInfo> Found, int Next, int BytesLeft, bool More) Collect(Reactor reactor, SessionFilter filter, int from, int room, int bytes)
    {
        var found = new List<SessionInfo>();
        int end = Math.Min(reactor.Slots, from + Stretch);
        int slot = from;
        for (; slot < end && found.Count < room && bytes > 0; slot++)
        {
            if (reactor.SessionAt(slot) is not { } session || !filter.Matches(session)) continue;
            found.Add(Describe(reactor, session));
            bytes -= session.ClientId?.Length ?? 0;
        }
        return (found, slot, bytes, slot < reactor.Slots);
    }

    private static (int Kicked, int Next, bool More) Kick(Reactor reactor, SessionFilter filter, int from)
    {
        int end = Math.Min(reactor.Slots, from + Stretch);
        int slot = from, kicked = 0;
        for (; slot < end && kicked < KicksAtOnce; slot++)
        {
            if (reactor.SessionAt(slot) is not { Phase: not Phase.Lingering, Leaving: false } session || !filter.Matches(session)) continue;
            reactor.Flow.Closer.Drain(reactor, session, DisconnectReason.AdministrativeAction, CloseReason.Kicked);
            kicked++;
        }
        return (kicked, slot, slot < reactor.Slots);
    }

    private SessionInfo Describe(Reactor reactor, Session session) => new(
        session.ClientId is { } id ? Encoding.UTF8.GetString(id) : null,
        session.Remote.ToString(), session.Listener.Name, session.Pool.Name, session.Dialled?.Id,
        session.Version switch { MqttVersion.V31 => "3.1", MqttVersion.V311 => "3.1.1", MqttVersion.V5 => "5", _ => "tcp" },
        StateOf(session.Phase), (reactor.Now - session.AcceptedAt) / 1000.0, session.BytesFromClient, session.BytesFromBackend, node);

    private static string Place(int reactor, int slot) => string.Create(CultureInfo.InvariantCulture, $"{reactor}.{slot}");

    private bool TryReadPlace(string? text, out int reactor, out int slot)
    {
        reactor = slot = 0;
        if (text is null) return true;
        int dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot > 0
            && int.TryParse(text.AsSpan(0, dot), NumberStyles.None, CultureInfo.InvariantCulture, out reactor) && reactor < reactors.Count
            && int.TryParse(text.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out slot);
    }
}
