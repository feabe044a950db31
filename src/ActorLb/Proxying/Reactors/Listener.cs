using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Routing;
using ActorLb.Tls;

namespace ActorLb.Proxying.Reactors;

/// <summary>A listener as the reactors see it. Lives over reloads while its name stays; a session keeps the options it came under.</summary>
internal sealed class Listener
{
    // Refusals are rare beside what a refused client costs otherwise, so the reactors share them.
    private readonly long[] _refused = new long[CloseReasons.Count];
    private volatile State _state;
    private int _active;

    public Listener(ListenerOptions options, UpstreamPool pool, TlsServerContext? tls, TimeProvider time)
    {
        _state = new State(options, pool, tls, ConnectRate.Create(options.Limits.ConnectsPerSecond),
            AddressLimits.Create(options.Limits, time));
    }

    public sealed record State(ListenerOptions Options, UpstreamPool Pool, TlsServerContext? Tls, ConnectRate? Rate, AddressLimits? Addresses)
    {
        /// <summary>Null where the listener speaks no WebSocket.</summary>
        public UpgradeRules? Upgrade { get; } =
            Options.WebSocket is { } webSocket ? new UpgradeRules(webSocket.Path, webSocket.Hosts) { Origins = webSocket.Origins } : null;

        /// <summary>Fields of upgrade requests that WebSocket backends get.</summary>
        public PassedFields? Passed { get; } = Options.WebSocket is { } webSocket ? new PassedFields(webSocket.PassHeaders) : null;

        public bool ExpectsProxyHeaderFrom(in NetEndPoint peer) => Contains(Options.AcceptProxyFrom, peer.Address);

        /// <summary>Whether what an upgrade request tells of addresses before its sender's is believed.</summary>
        public bool BelievesForwardedFrom(in NetEndPoint sender) =>
            Options.WebSocket is { AcceptForwardedFor.IsEmpty: false } webSocket && Contains(webSocket.AcceptForwardedFor, sender.Address);

        public bool Refuses(in NetEndPoint client)
        {
            if (Options.Deny.IsEmpty && Options.Allow.IsEmpty) return false;
            var address = client.Address;
            return Contains(Options.Deny, address) || (!Options.Allow.IsEmpty && !Contains(Options.Allow, address));
        }

        private static bool Contains(System.Collections.Immutable.ImmutableArray<IPNetwork> networks, IPAddress address)
        {
            foreach (var network in networks)
            {
                if (network.Contains(address)) return true;
            }
            return false;
        }
    }

    public string Name => _state.Options.Name;

    /// <summary>Everything a new session needs, one consistent view.</summary>
    public State Current => _state;

    /// <summary>Clients that have a place now, over all reactors.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>The port in use: the configured one, or what the kernel gave for port 0.</summary>
    public IPEndPoint? BoundTo { get; set; }

    public volatile bool Paused;

    public void Apply(ListenerOptions options, UpstreamPool pool, TlsServerContext? tls, TimeProvider time)
    {
        var old = _state;
        bool sameLimits = old.Options.Limits == options.Limits;
        _state = new State(options, pool, tls,
            sameLimits ? old.Rate : ConnectRate.Create(options.Limits.ConnectsPerSecond),
            sameLimits ? old.Addresses : AddressLimits.Create(options.Limits, time));
    }

    /// <summary>Counts a client; false, and not counted, when the listener is full.</summary>
    public bool TryEnter(int limit)
    {
        int active = Interlocked.Increment(ref _active);
        if (limit == 0 || active <= limit) return true;
        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _active);

    /// <summary>Counts a client that was turned away, or never got its CONNACK.</summary>
    public void CountRefusal(CloseReason reason) => Interlocked.Increment(ref _refused[(int)reason]);

    public long RefusedFor(CloseReason reason) => Interlocked.Read(ref _refused[(int)reason]);
}

/// <summary>One reactor's listening descriptor of a listener.</summary>
internal sealed class ListenerSocket(Listener listener, int fd)
{
    public Listener Listener { get; } = listener;

    public int Fd { get; } = fd;

    /// <summary>Clients with a place that have not sent their whole CONNECT.</summary>
    public SessionList Unconnected { get; } = new();

    /// <summary>Place in the reactor's table; -1 when closed.</summary>
    public int Index { get; set; } = -1;

    /// <summary>Not taking connections until then (milliseconds), for want of descriptors or memory; 0 is taking.</summary>
    public long PausedUntil { get; set; }
}
