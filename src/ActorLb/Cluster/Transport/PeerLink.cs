using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster.Transport;

/// <summary>
/// The way to one run of one peer. It may have two connections a lane, one that this side dialled and one that the peer dialled; frames
/// leave by one of them, the first to come up, as long as that lasts, so that their order is kept. They arrive by any.
/// </summary>
internal sealed class PeerLink(PeerId peer, IPeerHandler handler) : IPeerLink
{
    private const int Lanes = 2;

    // One for each lane: held while frames of the lane are delivered, and the first of them while the link goes up or down.
    private readonly Lock[] _delivery = [new(), new()];

    // Written under _delivery[lane]; [lane, dialled].
    private readonly PeerConnection?[,] _connections = new PeerConnection?[Lanes, 2];

    // Written under _delivery[lane], read by any sender.
    private volatile PeerConnection? _calls;
    private volatile PeerConnection? _bulk;

    // Set before the connections are closed, so that one that comes after is seen by Attach.
    private volatile bool _closed;

    public PeerId Peer { get; } = peer;

    public bool IsUp => _calls is not null;

    /// <summary>Where the peer is dialled; guarded by the transport's lock.</summary>
    public string Address { get; set; } = "";

    /// <summary>The dialling, or null for a peer that only dials us; guarded by the transport's lock.</summary>
    public CancellationTokenSource? Dialling { get; set; }

    /// <summary>Connections that run; guarded by the transport's lock.</summary>
    public int Running { get; set; }

    public bool Send(ReadOnlySpan<byte> frame, PeerLane lane) =>
        (lane == PeerLane.Calls ? _calls : _bulk)?.TrySend(frame) ?? false;

    /// <summary>Hands every whole frame that was read to the handler.</summary>
    public PeerFrameError Deliver(PeerConnection connection, FrameReader reader)
    {
        lock (_delivery[(int)connection.Lane])
        {
            PeerFrameError error;
            while (reader.TryNext(out var frame, out error))
            {
                handler.OnFrame(this, frame);
            }

            return error;
        }
    }

    /// <returns>False when the link was closed.</returns>
    public bool Attach(PeerConnection connection)
    {
        var lane = (int)connection.Lane;
        var side = connection.Dialled ? 1 : 0;
        lock (_delivery[lane])
        {
            if (_closed)
            {
                return false;
            }

            var old = _connections[lane, side];
            _connections[lane, side] = connection;
            if (old is not null)
            {
                // The peer came again before the end of its former connection was noticed.
                old.Close("replaced by a newer connection");
                Lost(old, "replaced by a newer connection");
            }

            if (Current(connection.Lane) is null)
            {
                Use(connection);
            }
        }

        return true;
    }

    public void Detach(PeerConnection connection, string reason)
    {
        var lane = (int)connection.Lane;
        var side = connection.Dialled ? 1 : 0;
        lock (_delivery[lane])
        {
            if (_connections[lane, side] == connection)
            {
                _connections[lane, side] = null;
            }

            Lost(connection, reason);
        }
    }

    /// <summary>Closes every connection, for good.</summary>
    public void Close(string reason)
    {
        _closed = true;
        for (var lane = 0; lane < Lanes; lane++)
        {
            lock (_delivery[lane])
            {
                _connections[lane, 0]?.Close(reason);
                _connections[lane, 1]?.Close(reason);
            }
        }
    }

    private PeerConnection? Current(PeerLane lane) => lane == PeerLane.Calls ? _calls : _bulk;

    private void Use(PeerConnection? connection)
    {
        if (connection?.Lane == PeerLane.Bulk)
        {
            _bulk = connection;
            return;
        }

        _calls = connection;
        if (connection is not null)
        {
            handler.OnUp(this);
        }
    }

    /// <summary>Frames queued on the connection are lost; the other side's connection takes over where there is one.</summary>
    private void Lost(PeerConnection connection, string reason)
    {
        if (Current(connection.Lane) != connection)
        {
            return;
        }

        var next = _connections[(int)connection.Lane, 0] ?? _connections[(int)connection.Lane, 1];
        if (connection.Lane == PeerLane.Bulk)
        {
            _bulk = next;
            return;
        }

        _calls = null;
        handler.OnDown(this, reason);
        Use(next);
    }
}
