using System.Globalization;
using System.Text;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Operations;

/// <summary>
/// Lists and closes this node's sessions for operators. Each reactor is asked for a limited range at a time, so that going
/// through a hundred thousand sessions delays no client.
/// </summary>
internal sealed class SessionDirectory(string node, IReadOnlyList<Reactor> reactors, TimeProvider time)
{
    /// <summary>Slots visited in one turn of a reactor, which takes well under a millisecond.</summary>
    private const int Stretch = 4096;

    /// <summary>The most sessions closed in one turn of a reactor.</summary>
    private const int KicksAtOnce = 256;

    /// <summary>
    /// Lists sessions, starting after a position. Sessions that begin or end meanwhile may be missed; every other is listed
    /// exactly once.
    /// </summary>
    /// <param name="after">A page's <see cref="SessionPage.Next"/>, or null for the start.</param>
    /// <param name="limit">The most sessions.</param>
    /// <param name="bytes">
    /// The most bytes of their client ids together, not counting the last id, which may have 65,535 bytes.
    /// </param>
    /// <exception cref="FormatException"><paramref name="after"/> is not a valid position.</exception>
    public async Task<SessionPage> ListAsync(SessionFilter filter, string? after, int limit, int bytes, CancellationToken cancel)
    {
        if (!TryReadPlace(after, out int index, out int slot)) throw new FormatException($"'{after}' is not a position in a list of sessions");
        var found = new List<SessionInfo>();
        int bytesLeft = bytes;
        for (; index < reactors.Count; index++, slot = 0)
        {
            bool more = true;
            while (more)
            {
                cancel.ThrowIfCancellationRequested();
                int from = slot, room = limit - found.Count, left = bytesLeft;
                (var part, int next, bytesLeft, more) =
                    await reactors[index].AskAsync(r => Collect(r, filter, from, room, left)).ConfigureAwait(false);
                found.AddRange(part);
                slot = next;
                if (found.Count == limit || bytesLeft <= 0) return new SessionPage([.. found], Place(index, slot));
            }
        }
        return new SessionPage([.. found], null);
    }

    /// <summary>Closes the sessions of a client id; returns how many.</summary>
    public async Task<int> KickAsync(string clientId, CancellationToken cancel)
    {
        var filter = SessionFilter.OfClient(clientId);
        int kicked = 0;
        foreach (var reactor in reactors)
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

    /// <summary>
    /// Returns the sessions with the most bytes or packets, or the clients with the most CONNECTs, largest first.
    /// </summary>
    public async Task<TopClient[]> TopAsync(TopBy by, int limit, CancellationToken cancel)
    {
        if (by == TopBy.Connects) return await TopConnectsAsync(limit).ConfigureAwait(false);
        var top = new TopList<TopClient>(limit);
        foreach (var reactor in reactors)
        {
            int slot = 0;
            bool more = true;
            while (more)
            {
                cancel.ThrowIfCancellationRequested();
                int from = slot;
                (slot, more) = await reactor.AskAsync(r => Rank(r, top, by, from)).ConfigureAwait(false);
            }
        }
        return [.. top.Items];
    }

    /// <summary>A client may have connected to several reactors, each of which counts a part.</summary>
    private async Task<TopClient[]> TopConnectsAsync(int limit)
    {
        var parts = new List<FrequentClient>();
        foreach (var reactor in reactors) parts.AddRange(await reactor.AskAsync(r => r.Frequent.Read(r.Now)).ConfigureAwait(false));
        return TopBys.Sum(parts.Select(p => new TopClient(Shorten(p.ClientId), p.Connects, [node], null)), limit);
    }

    public static string StateOf(Phase phase) => phase switch
    {
        Phase.ProxyHeader => "proxy-header",
        Phase.TlsHandshake => "tls",
        Phase.Upgrade => "upgrade",
        Phase.Connect => "connect",
        Phase.Routing => "routing",
        Phase.Queued => "queued",
        Phase.Dialing => "dialing",
        Phase.BackendPreamble or Phase.BackendTls or Phase.BackendUpgrade => "backend-setup",
        Phase.Connack => "connack",
        Phase.Relay => "established",
        _ => "closing",
    };

    /// <summary>Whether the text is a valid <see cref="SessionPage.Next"/>.</summary>
    public static bool IsPlace(string text) => TryReadPlace(text, out _, out _);

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
            reactor.Flow.Closer.Drain(session, DisconnectReason.AdministrativeAction, CloseReason.Kicked);
            kicked++;
        }
        return (kicked, slot, slot < reactor.Slots);
    }

    private (int Next, bool More) Rank(Reactor reactor, TopList<TopClient> top, TopBy by, int from)
    {
        int end = Math.Min(reactor.Slots, from + Stretch);
        for (int slot = from; slot < end; slot++)
        {
            if (reactor.SessionAt(slot) is not { } session) continue;
            long value = by == TopBy.Bytes
                ? session.BytesFromClient + session.BytesFromBackend : session.PacketsFromClient + session.PacketsFromBackend;
            if (!top.Admits(value)) continue;
            string? id = session.ClientId is { } bytes ? Shorten(bytes) : null;
            top.Add(value, new TopClient(id, value, [node], Describe(reactor, session) with { ClientId = id }));
        }
        return (end, end < reactor.Slots);
    }

    private SessionInfo Describe(Reactor reactor, Session session)
    {
        double seconds = (reactor.Now - session.AcceptedAt) / 1000.0;
        return new SessionInfo(
            session.ClientId is { } id ? Encoding.UTF8.GetString(id) : null,
            session.Remote.ToString(), session.Listener.Name, session.Pool.Name, session.Dialled?.Id,
            session.Version switch { MqttVersion.V31 => "3.1", MqttVersion.V311 => "3.1.1", MqttVersion.V5 => "5", _ => "tcp" },
            StateOf(session.Phase), seconds, session.BytesFromClient, session.BytesFromBackend, node)
        {
            Since = time.GetUtcNow().AddSeconds(-seconds),
            PacketsSent = session.PacketsFromClient,
            PacketsReceived = session.PacketsFromBackend,
        };
    }

    /// <summary>Truncates ids, so that the list fits into one message whatever ids clients use.</summary>
    private static string Shorten(byte[] id)
    {
        if (id.Length < FrequentClients.LongestId) return Encoding.UTF8.GetString(id);
        int end = FrequentClients.LongestId;
        // Don't cut within a character: continuation bytes start with the bits 10 (RFC 3629).
        while (end > 0 && end < id.Length && (id[end] & 0xC0) == 0x80) end--;
        return Encoding.UTF8.GetString(id.AsSpan(0, Math.Min(end, id.Length))).TrimEnd('\uFFFD') + "...";
    }

    private static string Place(int reactor, int slot) => string.Create(CultureInfo.InvariantCulture, $"{reactor}.{slot}");

    private static bool TryReadPlace(string? text, out int reactor, out int slot)
    {
        reactor = slot = 0;
        if (text is null) return true;
        int dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot > 0
            && int.TryParse(text.AsSpan(0, dot), NumberStyles.None, CultureInfo.InvariantCulture, out reactor)
            && int.TryParse(text.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out slot);
    }
}
