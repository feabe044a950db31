using ActorLb.Balancing;
using ActorLb.Cluster;
using ActorLb.Configuration;
using ActorLb.Protocol.Peer;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Cluster;

/// <summary>
/// Several nodes place new clients by the fleet's connections at once, each with its own clients at first hand and the others' by
/// report: what one of them sees is a moment old, and still they must not run to the same backend.
/// </summary>
public sealed class FleetPlacementTests
{
    private const int Backends = 3;
    private readonly List<PlacingNode> _nodes = [];
    private long _now;

    [Theory]
    [InlineData(3, new[] { 1, 2 }, 400)]
    [InlineData(3, new[] { 0, 1, 2 }, 2000)]
    [InlineData(8, new[] { 0, 1, 2, 3, 4, 5, 6, 7 }, 2000)]
    public void UnevenStart_SeveralNodesPlace_EndsEven(int nodes, int[] placing, int clients)
    {
        ThreadRandom.Seed(7);
        Start(nodes);
        for (var i = 0; i < 100; i++)
        {
            _nodes[0].Backends[0].TryAcquire();
            _nodes[0].Backends[2].TryAcquire();
        }

        Run(1000);
        for (var i = 0; i < clients; i++)
        {
            _nodes[placing[i % placing.Length]].Place();
            if (i % 2 == 1)
            {
                Run(1);
            }
        }

        var even = (clients + 200) / Backends;
        Assert.All(Total(), n => Assert.InRange(n, even - 12, even + 13));
    }

    [Fact]
    public void NodeThatJustCame_KnowsTheOthersConnections_WithItsFirstReports()
    {
        ThreadRandom.Seed(7);
        Start(2);
        for (var i = 0; i < 90; i++)
        {
            _nodes[0].Backends[i % 2].TryAcquire();
        }

        Run(1000);
        Start(1);
        _nodes[0].Reports.PublishSoon();
        _nodes[1].Reports.PublishSoon();
        Run(51);
        Assert.Equal([45, 45, 0], _nodes[2].Backends.Select(b => b.Load));
    }

    private int[] Total() => [.. Enumerable.Range(0, Backends).Select(b => _nodes.Sum(n => n.Backends[b].Active))];

    private void Start(int count)
    {
        for (var i = 0; i < count; i++)
        {
            // Their turns are not in step.
            _nodes.Add(new PlacingNode(new PeerId($"lb-{_nodes.Count}", (ulong)_nodes.Count + 1), _now + (7 * _nodes.Count)));
        }
    }

    private void Run(long milliseconds)
    {
        for (var end = _now + milliseconds; _now < end; _now++)
        {
            foreach (var node in _nodes)
            {
                node.Pass(_now, _nodes);
            }
        }
    }

    private sealed class PlacingNode
    {
        private readonly Pool _pool = Pools.OfWeights(BalanceKind.LeastConnections, 1, 1, 1);
        private readonly PeerId _id;
        private long _tickAt;

        public PlacingNode(PeerId id, long tickAt)
        {
            _id = id;
            _tickAt = tickAt;
            Backends = _pool.Snapshot.Backends.ToArray();
            Reports = new FleetReports(id)
            {
                Collect = () => Reports!.SetCounts([.. Backends.Select((b, i) => new PeerReport((uint)i + 1, (uint)b.Active))]),
                Reckoned = report =>
                {
                    for (var i = 0; i < Backends.Length; i++)
                    {
                        Backends[i].SetRemoteActive(report.ConnectionsOf((uint)i + 1), report.LiveNodes - 1);
                    }
                },
            };
        }

        public Backend[] Backends { get; }

        public FleetReports Reports { get; }

        public void Place() => _pool.Pick()!.TryAcquire();

        public void Pass(long now, List<PlacingNode> all)
        {
            if (now < _tickAt)
            {
                return;
            }

            _tickAt = now + 50;
            Reports.Tick(now, 1, frame =>
            {
                PeerFrameHeader.TryRead(frame.Span, out var header);
                Assert.Equal(PeerFrameError.None, PeerReports.TryRead(frame.Span, out var reports));
                foreach (var other in all)
                {
                    if (other != this)
                    {
                        other.Reports.OnReports(_id, header.Type, reports, now);
                    }
                }
            });
        }
    }
}
