using ActorLb.Balancing;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using ActorLb.Telemetry;

namespace ActorLb.Proxying;

/// <summary>One descriptor of a session and what is known about it. Touched by the session's reactor alone.</summary>
internal struct Side
{
    public int Fd;

    /// <summary>Distinguishes this descriptor in epoll's data from an earlier one with the same number.</summary>
    public uint Tag;

    /// <summary>Edge-triggered state: true from an event until the call that would block.</summary>
    public bool Readable, Writable;

    /// <summary>The peer has closed its direction or the connection failed: reads go on until they say so.</summary>
    public bool PeerClosed;

    /// <summary>A read that gets less than it asked for may have left something: the peer's end is behind it, or urgent data were sent,
    /// at whose mark a read stops (tcp(7)).</summary>
    public bool ReadsToBlock;

    /// <summary>The connection failed or is closed in both directions; which of the two, a read and the socket's error show.</summary>
    public bool HungUp;

    /// <summary>The end of the peer's stream has been read.</summary>
    public bool Ended;

    /// <summary>Our direction has been shut down.</summary>
    public bool Finished;

    /// <summary>The peer takes nothing any more. What it had sent before is still read and passed on; what would go to it is dropped.</summary>
    public bool Gone;

    /// <summary>What could not be written yet; null when there is none.</summary>
    public byte[]? Pending;
    public int PendingStart, PendingEnd;

    public TlsSession Tls;

    /// <summary>The connection where there is no descriptor of the reactor's own; null where there is.</summary>
    public SideStream? Stream;

    public readonly bool IsOpen => Fd >= 0 || Stream is not null;

    public readonly int PendingLength => PendingEnd - PendingStart;
}

/// <summary>
/// A client's connection and the backend's that serves it. Lives on one reactor, and its object is used again for later clients.
/// What only the way to the CONNACK needs is in <see cref="Setup"/>, which an established session has no longer.
/// </summary>
internal sealed class Session(Reactor reactor) : Timed
{
    /// <summary>Whose thread alone touches the session.</summary>
    public readonly Reactor Reactor = reactor;

    public Side Client = new() { Fd = -1 };
    public Side Upstream = new() { Fd = -1 };

    private NetEndPoint _local;

    /// <summary>The list that it is in, and its neighbours there.</summary>
    public SessionList? Within;
    public Session? Older, Newer;

    public int Slot;

    /// <summary>Changes each time the object is used again, so that a late answer finds nobody.</summary>
    public uint Generation;

    /// <summary>See <see cref="Phases"/>.</summary>
    public Phase Phase { get; private set; }

    /// <summary>Unknown until the CONNECT, and for plain TCP.</summary>
    public MqttVersion Version;
    public bool CountsForAddress;

    /// <summary>Counts among the max-connections of the node and of its listener.</summary>
    public bool HasPlace;

    /// <summary>A TLS handshake of this session is under way.</summary>
    public bool HandshakeBegun;

    /// <summary>Its handshake has one of the <see cref="Tls.HandshakePlaces"/>: its first step is still to be made.</summary>
    public bool HasHandshakePlace;

    /// <summary>Its handshake waits for such a place.</summary>
    public bool AwaitsPlace;

    /// <summary>Of the client's hello only a part has come with the step that was made.</summary>
    public bool AwaitsHello;

    /// <summary>Its ticket is among those that wait for the reactor to make a handshake step.</summary>
    public bool AwaitsTurn;

    /// <summary>It is among the <see cref="AnnouncedClients"/>.</summary>
    public AnnouncedClients.Announcement? Announced;

    /// <summary>Why the session ends, once it is known: the first end that came, or what a close waits for.</summary>
    public CloseReason EndReason;
    public bool InReadyList;

    /// <summary>Until then its events send it to the ready list: it reads much at once, and may do so again (the reactor's clock).</summary>
    public long BulkUntil;

    /// <summary>The session relays only until both directions stand between two packets; it is closed then.</summary>
    public bool Leaving;

    /// <summary>What an MQTT 5 client gets as the reason then.</summary>
    public DisconnectReason Farewell;

    public Listener Listener = null!;

    /// <summary>The listener's options at the time of the accept.</summary>
    public Listener.State? ListenerState;
    public UpstreamPool Pool = null!;
    public Backend? Backend;

    /// <summary>The last backend dialled, kept for the access log and the backend's counts after it was let go.</summary>
    public Backend? Dialled;
    public BackendTraffic Traffic = BackendTraffic.None;
    public Setup? Setup;

    /// <summary>Of a set-up that is followed step by step; null for the others, and behind it.</summary>
    public Telemetry.SetupTrace? Trace;
    public WebSocketRelay? WebSocket;

    /// <summary>The source address in use, an index into <see cref="SourcePool"/>; -1 leaves it to the kernel.</summary>
    public int Source = -1;
    public SourceAddresses? SourcePool;
    public NetEndPoint Destination;

    /// <summary>The client's address: the connection's, or that of an accepted PROXY header.</summary>
    public NetEndPoint Remote;

    /// <summary>The address that the client dialled: asked of the socket when first wanted, or that of an accepted PROXY header.</summary>
    public NetEndPoint Local
    {
        get
        {
            if (!_local.IsKnown && Client.Fd >= 0) _local = Tcp.LocalEndPoint(Client.Fd);
            return _local;
        }
        set => _local = value;
    }

    /// <summary>The backend's socket has its keep-alive and user time-out.</summary>
    public bool BackendWatched;

    /// <summary>UTF-8, as the broker sees it (the broker's assigned one where the client sent none); null before the CONNECT.</summary>
    public byte[]? ClientId;

    /// <summary>Of the user name that the broker sees (<see cref="BanList.HashOf"/>); 0 without one.</summary>
    public ulong UserHash;

    public ulong StickyHash;
    public BackendRef StickyBackend;
    public StickyOutcome StickyOutcome;
    public uint StickySession;
    public bool IsSticky;

    /// <summary>When the sticky map made or moved the client's entry for it (the reactor's clock); 0 when it was there before.</summary>
    public long StickyMadeAt;

    /// <summary>The sticky map knows of the session and waits for its end.</summary>
    public bool StickyOpened;

    public PacketFramer FromClient, FromBackend;
    public long BytesFromClient, BytesFromBackend;
    public long PacketsFromClient, PacketsFromBackend;

    /// <summary>Milliseconds of the reactor's clock.</summary>
    public long AcceptedAt, EstablishedAt, LastFromClient, LastActivity;

    /// <summary>When the backend's side of the relay ended (the reactor's clock); 0 while it has not. The session counts for no backend since.</summary>
    public long BackendEndedAt;

    /// <summary>Milliseconds of silence after which the session ends; 0 is never.</summary>
    public int IdleTimeout;

    /// <summary>The time-out looks at the client's packets alone (Keep Alive), not at either direction.</summary>
    public bool IdleByKeepAlive;

    public bool IsMqtt => Version != MqttVersion.Unknown;

    public ulong Ticket => ((ulong)Generation << 32) | (uint)Slot;

    /// <summary>Goes over to a phase, with the gauges and the trace that follow it.</summary>
    /// <exception cref="InvalidOperationException">It may not follow (<see cref="Phases"/>).</exception>
    public void MoveTo(Phase next)
    {
        if (!Phases.MayFollow(Phase, next)) throw new InvalidOperationException($"a session went from {Phase} to {next}");
        Phases.Count(Reactor.Counters, Phase, -1);
        if (Trace is { } trace) SetupTracing.Enter(this, trace, next);
        Phase = next;
        Phases.Count(Reactor.Counters, next, 1);
    }

    /// <summary>Whether a packet of the balancer's own can be slipped into the direction now, or nothing comes there any more.</summary>
    public bool AtBoundary(Direction direction)
    {
        if (direction == Direction.ToBackend ? Client.Ended : Upstream.Ended) return true;
        if (WebSocket is not null) return WebSocket.AtBoundary(this, direction);
        return direction == Direction.ToBackend ? FromClient.AtBoundary : FromBackend.AtBoundary;
    }

    /// <summary>As new, for another client.</summary>
    public void Reset()
    {
        Version = MqttVersion.Unknown;
        EndReason = CloseReason.None;
        Leaving = false;
        AwaitsTurn = false;
        WebSocket = null;
        ListenerState = null;
        SourcePool = null;
        ClientId = null;
        Dialled = null;
        IsSticky = StickyOpened = false;
        StickyBackend = default;
        StickyHash = UserHash = 0;
        StickyMadeAt = 0;
        FromClient = FromBackend = default;
        BytesFromClient = BytesFromBackend = PacketsFromClient = PacketsFromBackend = 0;
        EstablishedAt = BackendEndedAt = BulkUntil = 0;
        IdleTimeout = 0;
        IdleByKeepAlive = BackendWatched = false;
        Remote = Local = default;
        Destination = default;
    }
}
