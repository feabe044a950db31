using ActorLb.Cluster;
using ActorLb.Cluster.Transport;
using ActorLb.Protocol.Peer;

namespace ActorLb.Tests.Cluster.Transport;

/// <summary>Which of a link's connections carries its frames.</summary>
public sealed class PeerLinkTests : IPeerHandler
{
    private readonly List<string> _events = [];

    [Fact]
    public void Attach_FirstOfTheCallsLane_BringsItUp()
    {
        var link = Link();
        Attach(link, PeerLane.Bulk, dialled: true);
        Assert.False(link.IsUp);
        Attach(link, PeerLane.Calls, dialled: false);
        Assert.True(link.IsUp);
        Attach(link, PeerLane.Calls, dialled: true);
        Assert.Equal(["up"], _events);
    }

    [Fact]
    public void Detach_OfTheOneInUse_TellsOfTheLossAndGoesOnByTheOther()
    {
        var link = Link();
        var dialled = Attach(link, PeerLane.Calls, dialled: true);
        var accepted = Attach(link, PeerLane.Calls, dialled: false);
        link.Detach(dialled, "cut");
        Assert.Equal(["up", "down: cut", "up"], _events);
        Assert.True(link.Send(PeerNode.Frame(1), PeerLane.Calls));
        link.Detach(accepted, "cut, too");
        Assert.Equal(["up", "down: cut", "up", "down: cut, too"], _events);
        Assert.False(link.Send(PeerNode.Frame(1), PeerLane.Calls));
    }

    [Fact]
    public void Detach_OfTheOneNotInUse_ChangesNothing()
    {
        var link = Link();
        Attach(link, PeerLane.Calls, dialled: false);
        link.Detach(Attach(link, PeerLane.Calls, dialled: true), "cut");
        Assert.Equal(["up"], _events);
        Assert.True(link.IsUp);
    }

    [Fact]
    public void Attach_AgainFromTheSameSide_ReplacesTheOldOne()
    {
        var link = Link();
        var old = Attach(link, PeerLane.Calls, dialled: false);
        Attach(link, PeerLane.Calls, dialled: false);
        Assert.False(old.TrySend(PeerNode.Frame(1)));
        link.Detach(old, "late");
        Assert.Equal(["up", "down: replaced by a newer connection", "up"], _events);
        Assert.True(link.IsUp);
    }

    [Fact]
    public void Detach_OfTheBulkLane_LeavesTheLinkUp()
    {
        var link = Link();
        Attach(link, PeerLane.Calls, dialled: true);
        var bulk = Attach(link, PeerLane.Bulk, dialled: true);
        Assert.True(link.Send(PeerNode.Frame(1), PeerLane.Bulk));
        link.Detach(bulk, "cut");
        Assert.False(link.Send(PeerNode.Frame(1), PeerLane.Bulk));
        Assert.Equal(["up"], _events);
    }

    [Fact]
    public void Close_ClosesWhatIsThereAndTakesNoMore()
    {
        var link = Link();
        var connection = Attach(link, PeerLane.Calls, dialled: true);
        link.Close("dropped");
        Assert.False(connection.TrySend(PeerNode.Frame(1)));
        Assert.False(link.Attach(Connection(PeerLane.Calls, dialled: false)));
    }

    void IPeerHandler.OnFrame(IPeerLink link, ReadOnlySpan<byte> frame) => _events.Add("frame");

    void IPeerHandler.OnUp(IPeerLink link) => _events.Add("up");

    void IPeerHandler.OnDown(IPeerLink link, string reason) => _events.Add($"down: {reason}");

    private PeerLink Link() => new(new PeerId("b", 1), this);

    private static PeerConnection Attach(PeerLink link, PeerLane lane, bool dialled)
    {
        var connection = Connection(lane, dialled);
        Assert.True(link.Attach(connection));
        return connection;
    }

    private static PeerConnection Connection(PeerLane lane, bool dialled) =>
        new(Stream.Null, new FrameReader(Stream.Null, PeerHello.MaxSize), lane, dialled);
}
