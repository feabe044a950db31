using System.Collections.Concurrent;
using System.Threading.Channels;
using ActorLb.Cluster;

namespace ActorLb.Tests.Cluster;

/// <summary>The wires between nodes of one process: threads and queues as with sockets, and a switch to cut them.</summary>
internal sealed class MemoryNetwork
{
    public ConcurrentDictionary<PeerId, MemoryTransport> Nodes { get; } = new();

    public ConcurrentDictionary<(PeerId From, PeerId To), bool> Cut { get; } = new();
}

/// <summary>A node's end of the wires: one queue and one task a link and lane.</summary>
internal sealed class MemoryTransport(MemoryNetwork network) : IPeerTransport
{
    private readonly ConcurrentDictionary<PeerId, Link> _links = new();
    private PeerId _self;
    private IPeerHandler? _handler;

    public Task StartAsync(PeerEndpoint self, IPeerHandler handler, CancellationToken cancellation)
    {
        _self = self.Id;
        _handler = handler;
        network.Nodes[_self] = this;
        return Task.CompletedTask;
    }

    public IPeerLink Connect(PeerEndpoint peer) => LinkTo(peer.Id);

    public void Drop(PeerId peer)
    {
        if (_links.TryRemove(peer, out var link))
        {
            link.Close();
        }
    }

    public Task<bool> IsReachableAsync(string address, TimeSpan timeout, CancellationToken cancellation) => Task.FromResult(false);

    public ValueTask DisposeAsync()
    {
        network.Nodes.TryRemove(_self, out _);
        foreach (var peer in _links.Keys)
        {
            Drop(peer);
        }

        return ValueTask.CompletedTask;
    }

    private Link LinkTo(PeerId peer) => _links.GetOrAdd(peer, id => new Link(network, _self, id));

    private void Deliver(PeerId from, byte[] frame) => _handler?.OnFrame(LinkTo(from), frame);

    private sealed class Link : IPeerLink
    {
        private readonly MemoryNetwork _network;
        private readonly PeerId _from;
        private readonly Channel<byte[]>[] _lanes = [NewLane(), NewLane()];

        public Link(MemoryNetwork network, PeerId from, PeerId to)
        {
            _network = network;
            _from = from;
            Peer = to;
            foreach (var lane in _lanes)
            {
                _ = Task.Run(() => CarryAsync(lane.Reader));
            }
        }

        public PeerId Peer { get; }

        public bool IsUp => _network.Nodes.ContainsKey(Peer);

        public bool Send(ReadOnlySpan<byte> frame, PeerLane lane) => IsUp && _lanes[(int)lane].Writer.TryWrite(frame.ToArray());

        public void Close()
        {
            foreach (var lane in _lanes)
            {
                lane.Writer.TryComplete();
            }
        }

        private static Channel<byte[]> NewLane() => Channel.CreateBounded<byte[]>(100_000);

        private async Task CarryAsync(ChannelReader<byte[]> frames)
        {
            await foreach (var frame in frames.ReadAllAsync())
            {
                if (!_network.Cut.ContainsKey((_from, Peer)) && _network.Nodes.TryGetValue(Peer, out var node))
                {
                    node.Deliver(_from, frame);
                }
            }
        }
    }
}
