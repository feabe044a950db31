using ActorLb.Balancing;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;

namespace ActorLb.Proxying;

/// <summary>What a session needs until its CONNACK. Pooled by the reactor.</summary>
internal sealed class Setup
{
    public const int MaxTries = Configuration.RetryOptions.MaxTries;

    /// <summary>What the client has sent, its PROXY header, upgrade request and frame headers taken off: the CONNECT, then whatever
    /// followed it.</summary>
    public PooledBuffer Inbound;

    /// <summary>Length of the CONNECT at the start of <see cref="Inbound"/>; 0 until it is complete.</summary>
    public int ConnectLength;
    public ConnectPacket Connect;

    /// <summary>For the backend, in this order: PROXY header, upgrade request, CONNECT (rewritten, framed).</summary>
    public byte[]? Outbound;
    public int OutboundStart, OutboundEnd;
    public int PreambleEnd, UpgradeEnd;

    /// <summary>The beginning of a reply that came in pieces.</summary>
    public PooledBuffer Reply;

    /// <summary>Refuse the client with this as soon as its CONNECT shows which version to answer in.</summary>
    public CloseReason Refusal;

    /// <summary>What a client of a TLS listener speaks instead, as far as its first bytes show.</summary>
    public Protocol.SpokenProtocol Speaks;

    /// <summary>Something of the backend's has gone to the client (AUTH): it cannot be sent to another backend any more.</summary>
    public bool Committed;

    public readonly Backend[] Tried = new Backend[MaxTries];
    public int TriedCount;

    /// <summary>Questions that the sticky map was asked; the first asks for its entry, the others move it.</summary>
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
    public uint BlameDeferred;

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

    /// <summary>Of a session that goes to no backend any more, or has its own by now.</summary>
    public void ReturnBuffers(Reactor reactor)
    {
        Inbound.Return(reactor.Buffers);
        Reply.Return(reactor.Buffers);
        reactor.ReturnBuffer(ref Outbound);
        reactor.ReturnBuffer(ref UpgradeHead);
        ConnectLength = OutboundStart = OutboundEnd = 0;
        Upgrade = default;
    }

    public void Reset()
    {
        ConnectLength = OutboundStart = OutboundEnd = PreambleEnd = UpgradeEnd = 0;
        Refusal = LastFailure = CloseReason.None;
        Committed = Rewritten = false;
        Speaks = Protocol.SpokenProtocol.Unknown;
        Questions = 0;
        TryEnds = 0;
        Ticket = Waited = 0;
        Withdraw();
        Trial = null;
        LastRefusal = null;
        BlameDeferred = 0;
        Array.Clear(Tried, 0, TriedCount);
        TriedCount = 0;
        Host = null;
        Upgrade = default;
        ForwardedIsBelieved = false;
        Connect = default;
    }
}
