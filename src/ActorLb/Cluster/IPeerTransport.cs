namespace ActorLb.Cluster;

/// <summary>One run of one node. A restart under the same name is another identity: it owns nothing that the old run owned.</summary>
internal readonly record struct PeerId(string Name, ulong Incarnation)
{
    public override string ToString() => $"{Name}/{Incarnation:x16}";
}

/// <param name="Address">Host and port that the peer advertises.</param>
internal readonly record struct PeerEndpoint(PeerId Id, string Address);

/// <summary>Which connection of a link carries a frame.</summary>
internal enum PeerLane : byte
{
    /// <summary>Small frames whose answer is waited for. Frames of one sender keep their order.</summary>
    Calls,

    /// <summary>Snapshots and tables: a TCP connection of their own, so that they never stand in front of a call.</summary>
    Bulk,
}

/// <summary>The way to one peer. It outlives its connections: the transport dials again with back-off as long as the peer is wanted.</summary>
internal interface IPeerLink
{
    PeerId Peer { get; }

    /// <summary>Authenticated and able to carry frames at this moment.</summary>
    bool IsUp { get; }

    /// <summary>
    /// Queues a whole frame, header included; the span is copied before it returns. Any thread; never blocks, never allocates.
    /// </summary>
    /// <returns>
    /// False when the link is down or holds 1 MiB (calls) or 16 MiB (bulk) already: nothing was queued. True promises no delivery.
    /// </returns>
    bool Send(ReadOnlySpan<byte> frame, PeerLane lane);
}

/// <summary>Hears a transport. Calls for one link and lane come one after another; different links come on different threads.</summary>
internal interface IPeerHandler
{
    /// <summary>The span holds exactly one frame, header included, and is valid during the call only.</summary>
    void OnFrame(IPeerLink link, ReadOnlySpan<byte> frame);

    /// <summary>Hello was exchanged and its proof verified. The link may be of a peer that dialled us before we wanted it.</summary>
    void OnUp(IPeerLink link);

    /// <summary>Frames that were queued are lost. The reason is for people.</summary>
    void OnDown(IPeerLink link, string reason);
}

/// <summary>
/// Carries frames between nodes: over HTTP/2 in production, in memory in the simulation. It knows Hello, whose proof it checks, and
/// nothing else of the frames. Calls in flight, deadlines and suspicion are counted by the shard region, which knows what a call is.
/// </summary>
internal interface IPeerTransport : IAsyncDisposable
{
    /// <summary>Listens and dials from now on. Throws when the address cannot be bound.</summary>
    Task StartAsync(PeerEndpoint self, IPeerHandler handler, CancellationToken cancellation);

    /// <summary>
    /// The link to a wanted peer, dialled in the background; the same object for the same identity, a new address is taken over.
    /// A link of another incarnation under the name stays until it is dropped.
    /// </summary>
    IPeerLink Connect(PeerEndpoint peer);

    /// <summary>The peer is gone for good: its connections close, its link stays down.</summary>
    void Drop(PeerId peer);

    /// <summary>Whether a process answers at the address within the timeout: before a new run takes the name of an old one.</summary>
    Task<bool> IsReachableAsync(string address, TimeSpan timeout, CancellationToken cancellation);
}
