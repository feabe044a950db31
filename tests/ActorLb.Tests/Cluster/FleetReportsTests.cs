using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Tests.Cluster;

public sealed class FleetReportsTests
{
    private const uint Backend = 0x00010001;
    private static readonly PeerId[] Ids = [new("a", 1), new("b", 2), new("c", 3)];
    private readonly FleetReports[] _nodes = [.. Ids.Select(i => new FleetReports(i))];
    private readonly HashSet<int> _silent = [];

    [Fact]
    public void Counts_SumOfTheOthers_WithinASecond()
    {
        Say(0, 5, PeerReports.Up);
        Say(1, 7, PeerReports.Up);
        Say(2, 1, PeerReports.Up);
        Run(0, 1000);

        Assert.Equal([8, 6, 12], _nodes.Select(n => n.Report.ConnectionsOf(Backend)));
        Assert.All(_nodes, n => Assert.Equal(3, n.Report.LiveNodes));
    }

    [Fact]
    public void Change_IsTold_WithTheNextTick_AndCountsAtOnce()
    {
        Counts_SumOfTheOthers_WithinASecond();
        Say(1, 8, PeerReports.Up);
        Run(1050, 1050);
        Assert.Equal([9, 6, 13], _nodes.Select(n => n.Report.ConnectionsOf(Backend)));

        Say(1, 8, PeerReports.Down);
        Say(2, 1, PeerReports.Down);
        Run(1100, 1100);
        Assert.All(_nodes, n => Assert.Contains(Backend, n.Report.Down));
    }

    [Fact]
    public void SilentNode_CountsNothing_AfterASecond()
    {
        Counts_SumOfTheOthers_WithinASecond();
        _silent.Add(1);
        Run(1000, 2600);

        Assert.Equal(1, _nodes[0].Report.ConnectionsOf(Backend));
        Assert.Equal(2, _nodes[0].Report.LiveNodes);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, true)]
    public void Down_WhenAMajoritySaysSo(int voters, bool down)
    {
        for (var i = 0; i < 3; i++)
        {
            Say(i, 0, i < voters ? PeerReports.Down : PeerReports.Up);
        }

        Run(0, 1000);

        Assert.All(_nodes, n => Assert.Equal(down, n.Report.Down.Contains(Backend)));
    }

    [Fact]
    public void OldReport_AndForeignIncarnation_AreLeftAside()
    {
        Say(1, 7, PeerReports.Up);
        Run(0, 1000);
        var frame = new byte[PeerReports.SizeOf(1)];
        PeerReports.Write(frame, new PeerFrameHeader(PeerFrameType.Counts, 0, 0, 0, 1), 2, 1, [new PeerReport(Backend, 99)]);
        PeerReports.TryRead(frame, out var old);
        _nodes[0].OnReports(Ids[1], PeerFrameType.Counts, old, 1000);
        PeerReports.Write(frame, new PeerFrameHeader(PeerFrameType.Counts, 0, 0, 0, 1), 9, 100, [new PeerReport(Backend, 99)]);
        PeerReports.TryRead(frame, out var foreign);
        _nodes[0].OnReports(Ids[1], PeerFrameType.Counts, foreign, 1000);
        Run(1000, 1500);

        Assert.Equal(7, _nodes[0].Report.ConnectionsOf(Backend));
    }

    private void Say(int node, uint connections, uint verdict)
    {
        _nodes[node].SetCounts([new PeerReport(Backend, connections)]);
        _nodes[node].SetVerdicts([new PeerReport(Backend, verdict)]);
    }

    private void Run(long from, long to)
    {
        for (var now = from; now <= to; now += 50)
        {
            for (var i = 0; i < _nodes.Length; i++)
            {
                var sender = i;
                var at = now;
                _nodes[i].Tick(now, 1, frame =>
                {
                    for (var j = 0; j < _nodes.Length; j++)
                    {
                        if (j != sender && !_silent.Contains(sender))
                        {
                            PeerFrameHeader.TryRead(frame.Span, out var header);
                            Assert.Equal(PeerFrameError.None, PeerReports.TryRead(frame.Span, out var reports));
                            _nodes[j].OnReports(Ids[sender], header.Type, reports, at);
                        }
                    }
                });
            }
        }
    }
}
