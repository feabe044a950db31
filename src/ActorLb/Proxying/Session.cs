using ActorLb.Balancing;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using ActorLb.Telemetry;

namespace ActorLb.Proxying;

/// <summary>Where a session stands on its way from accept to close.</summary>
internal enum Phase : byte
{
    Free,
    ProxyHeader, TlsHandshake, Upgrade, Connect,
    Routing, Queued, Dialing, BackendPreamble, BackendTls, BackendUpgrade, Connack,
    Relay,
    Lingering,
}

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

    /// <summary>The connection failed or is closed in both directions; which of the two, reading and the socket's error tell.</summary>
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
internal sealed class Session : Timed
{
    public Side Client = new() { Fd = -1 };
    public Side Upstream = new() { Fd = -1 };

    private NetEndPoint _local;

    /// <summary>The list that it is in, and its neighbours there.</summary>
    public SessionList? Within;
    public Session? Older, Newer;

    public int Slot;

    /// <summary>Changes each time the object is used again, so that a late answer finds nobody.</summary>
    public uint Generation;

    public Phase Phase;

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

    /// <summary>What an MQTT 5 client is told when it has come so far.</summary>
    public DisconnectReason Farewell;

    public Listener Listener = null!;

    /// <summary>The listener's options at the time of the accept.</summary>
    public Listener.State? Entered;
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

    /// <summary>The sticky map was told of the session and waits for its end.</summary>
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

    /// <summary>Whether a packet of the balancer's own can be slipped into the direction now, or nothing comes there any more.</summary>
    public bool AtBoundary(bool fromClient)
    {
        if (fromClient ? Client.Ended : Upstream.Ended) return true;
        if (WebSocket is not null) return WebSocket.AtBoundary(this, fromClient);
        return fromClient ? FromClient.AtBoundary : FromBackend.AtBoundary;
    }
}

/// <summary>What a session needs until its CONNACK. Pooled by the reactor.</summary>
internal sealed class Setup
{
    public const int MaxTries = Configuration.RetryOptions.MaxTries;

    /// <summary>What the client has sent, its PROXY header, upgrade request and frame headers taken off: the CONNECT, then whatever
    /// followed it.</summary>
    public byte[]? Inbound;
    public int InboundLength;

    /// <summary>Length of the CONNECT at the start of <see cref="Inbound"/>; 0 until it is complete.</summary>
    public int ConnectLength;
    public ConnectPacket Connect;

    /// <summary>For the backend, in this order: PROXY header, upgrade request, CONNECT (rewritten, framed).</summary>
    public byte[]? Outbound;
    public int OutboundStart, OutboundEnd;
    public int PreambleEnd, UpgradeEnd;

    /// <summary>The beginning of a reply that came in pieces.</summary>
    public byte[]? Reply;
    public int ReplyLength;

    /// <summary>Refuse the client with this as soon as its CONNECT tells how to.</summary>
    public CloseReason Refusal;

    /// <summary>What a client of a TLS listener speaks instead, as far as its first bytes tell.</summary>
    public Protocol.SpokenProtocol Speaks;

    /// <summary>Something of the backend's has gone to the client (AUTH): it cannot be sent to another backend any more.</summary>
    public bool Committed;

    public readonly Backend[] Tried = new Backend[MaxTries];
    public int TriedCount;

    /// <summary>Questions that the sticky map was asked; the first is for its entry, the others are to move it.</summary>
    public int Questions;

    /// <summary>Proposed to the sticky map, whose answer is awaited: counts as if it had the client.</summary>
    private Backend? _proposed;

    /// <summary>The backend, out by max-fails, whose trial this session claimed when it proposed it: it may go there, others may not.</summary>
    public Backend? Trial;
    public long FirstTryAt;

    /// <summary>It waits in the reactor's <see cref="ConnectQueue"/>: since when, and for which backend (null: any).</summary>
    public bool IsQueued;
    public long QueuedAt;
    public Backend? WaitsFor;

    /// <summary>Its place among all that wait in the pool, which it keeps; 0 while it has not waited.</summary>
    public long Ticket;

    /// <summary>How long it has waited so far (milliseconds).</summary>
    public long Waited;

    /// <summary>When a try at a backend that is found failing is over (the reactor's clock); 0 leaves it the usual times.</summary>
    public long TryEnds;

    /// <summary>How long the backend may take for the step under way (milliseconds).</summary>
    public long BackendTime;

    /// <summary><see cref="System.Diagnostics.Stopwatch"/> time stamps.</summary>
    public long ConnectStamp, DialStamp;

    /// <summary>The client's upgrade request, of which parts go on to a WebSocket backend; null where there is none of both.</summary>
    public byte[]? UpgradeHead;
    public UpgradeRequest Upgrade;

    /// <summary>It came from a proxy that is believed about its clients' addresses.</summary>
    public bool ForwardedIsBelieved;

    /// <summary>Name that a WebSocket client asked for, without port.</summary>
    public byte[]? Host;

    public CloseReason LastFailure;

    /// <summary>The CONNACK of the last backend that refused for reasons of its own: the client gets it when no other takes it.</summary>
    public byte[]? LastRefusal;

    /// <summary>Bits by index into <see cref="Tried"/>: those that closed before a CONNACK. Whether that was their fault or the client's
    /// shows when another answers.</summary>
    public uint Suspects;

    /// <summary>The client id replaced the client's own.</summary>
    public bool Rewritten;

    /// <summary>The reactor's ledger's: whose set-up it is, what that held when it was last weighed, its class of size (-1: in none), and
    /// its neighbours there by age.</summary>
    public Session? Session;
    public long Held;
    public sbyte SizeClass = -1;
    public Setup? Older, Newer;

    public bool HasTried(Backend backend) => Tried.AsSpan(0, TriedCount).Contains(backend);

    public void Await(Backend? proposed)
    {
        proposed?.Propose();
        _proposed = proposed;
    }

    /// <summary>The answer is here, or nobody waits for it any more.</summary>
    public void Withdraw()
    {
        _proposed?.Withdraw();
        _proposed = null;
    }

    public void Reset()
    {
        InboundLength = ConnectLength = OutboundStart = OutboundEnd = PreambleEnd = UpgradeEnd = ReplyLength = 0;
        Refusal = LastFailure = CloseReason.None;
        Committed = Rewritten = false;
        Speaks = Protocol.SpokenProtocol.Unknown;
        Questions = 0;
        TryEnds = 0;
        Ticket = Waited = 0;
        Withdraw();
        Trial = null;
        LastRefusal = null;
        Suspects = 0;
        Array.Clear(Tried, 0, TriedCount);
        TriedCount = 0;
        Host = null;
        Upgrade = default;
        ForwardedIsBelieved = false;
        Connect = default;
    }
}
