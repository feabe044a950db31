using System.Net;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Protocol.Peer;
using Microsoft.Extensions.Logging;

namespace ActorLb.Cluster.Transport;

/// <summary>
/// Peers over HTTP/2: to each one a long-lived stream a lane, on a TCP connection of its own, and one from it. A connection that is
/// lost is dialled again for as long as the peer is wanted, after pauses that grow.
/// </summary>
internal sealed class HttpPeerTransport : IPeerTransport
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly ClusterOptions _options;
    private readonly uint _keyCheck;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILoggerFactory _loggers;
    private readonly PeerSecurity _security;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();

    // Guarded by _gate.
    private readonly Dictionary<PeerId, PeerLink> _links = [];
    private readonly List<Task> _dials = [];

    private IPeerHandler? _handler;
    private PeerDialler? _dialler;
    private PeerListener? _listener;

    /// <param name="keyCheck">See <see cref="PeerHello.KeyCheck"/>.</param>
    /// <exception cref="InvalidOperationException">The security settings or their files are unusable; see <see cref="PeerSecurity.Check"/>.</exception>
    public HttpPeerTransport(ClusterOptions options, uint keyCheck, TimeProvider time, Random random, ILoggerFactory loggers)
    {
        _options = options;
        _keyCheck = keyCheck;
        _time = time;
        _random = random;
        _loggers = loggers;
        _security = PeerSecurity.Load(options);
        Faults = new PeerFaults(loggers.CreateLogger<HttpPeerTransport>(), time);
    }

    public PeerFaults Faults { get; }

    /// <summary>The port that peers reach this node at, once started; differs from the configured one where that is 0.</summary>
    public int Port => _listener!.Port;

    public Task StartAsync(PeerEndpoint self, IPeerHandler handler, CancellationToken cancellation)
    {
        foreach (var (name, value) in new[] { ("cluster.name", _options.Name), ("node.name", self.Id.Name), ("cluster.advertise", self.Address) })
        {
            if (value.Length == 0 || Encoding.UTF8.GetByteCount(value) > byte.MaxValue)
            {
                throw new ArgumentException($"{name}: 1 to {byte.MaxValue} bytes of UTF-8 are allowed", nameof(self));
            }
        }

        _handler = handler;
        var handshake = new PeerHandshake(new PeerIdentity(_options.Name, self, _keyCheck), _security);
        _dialler = new PeerDialler(handshake, _security, _time);
        _listener = new PeerListener(_options.Bind, handshake, _security, Faults, _time, _loggers, AcceptAsync);
        return _listener.StartAsync(cancellation);
    }

    public IPeerLink Connect(PeerEndpoint peer)
    {
        lock (_gate)
        {
            var link = LinkOf(peer.Id);
            link.Address = peer.Address;
            if (link.Dialling is null && !_stop.IsCancellationRequested)
            {
                link.Dialling = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                _dials.RemoveAll(d => d.IsCompleted);
                _dials.Add(DialAsync(link, PeerLane.Calls, link.Dialling.Token));
                _dials.Add(DialAsync(link, PeerLane.Bulk, link.Dialling.Token));
            }

            return link;
        }
    }

    public void Drop(PeerId peer)
    {
        PeerLink? link;
        lock (_gate)
        {
            if (!_links.Remove(peer, out link))
            {
                return;
            }
        }

        link.Close("dropped");
        if (link.Dialling is { } dialling)
        {
            lock (_gate)
            {
                // Elsewhere: this may be called while a frame is being handled.
                _dials.Add(dialling.CancelAsync());
            }
        }
    }

    public Task<bool> IsReachableAsync(string address, TimeSpan timeout, CancellationToken cancellation) =>
        _dialler!.IsReachableAsync(address, timeout, cancellation);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Task[] dials;
        lock (_gate)
        {
            dials = [.. _dials];
            _dials.Clear();
        }

        await Task.WhenAll(dials);
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }

        _stop.Dispose();
    }

    private PeerLink LinkOf(PeerId peer)
    {
        if (!_links.TryGetValue(peer, out var link))
        {
            _links[peer] = link = new PeerLink(peer, _handler!);
        }

        return link;
    }

    private async Task DialAsync(PeerLink link, PeerLane lane, CancellationToken cancellationToken)
    {
        // Off the caller's thread, and away from its lock.
        await Task.Yield();
        var pause = FirstPause;
        while (!cancellationToken.IsCancellationRequested)
        {
            string address;
            lock (_gate)
            {
                address = link.Address;
            }

            var (fault, reason) = await _dialler!.RunAsync(
                link.Peer, address, lane, connection => CarryAsync(link, connection, cancellationToken), cancellationToken);
            if (fault == PeerFault.None)
            {
                // It was up.
                pause = FirstPause;
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            Faults.Report(fault == PeerFault.None ? PeerFault.Connection : fault, $"{link.Peer.Name} at {address}", reason);
            await Task.Delay(pause * (0.75 + (Jitter() / 2)), _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>A peer has dialled us, wanted or not.</summary>
    private Task AcceptAsync(PeerConnection connection, PeerHello hello, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return CarryAsync(LinkOf(new PeerId(hello.Node, hello.Incarnation)), connection, cancellationToken);
        }
    }

    private async Task<string> CarryAsync(PeerLink link, PeerConnection connection, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            link.Running++;
        }

        await Task.Yield();
        var reason = "dropped";
        if (link.Attach(connection))
        {
            reason = await connection.RunAsync(link, cancellationToken);
            link.Detach(connection, reason);
        }

        lock (_gate)
        {
            // A link that nobody asked for goes with its last connection.
            if (--link.Running == 0 && link.Dialling is null && _links.GetValueOrDefault(link.Peer) == link)
            {
                _links.Remove(link.Peer);
            }
        }

        return reason;
    }

    private double Jitter()
    {
        lock (_gate)
        {
            return _random.NextDouble();
        }
    }
}
