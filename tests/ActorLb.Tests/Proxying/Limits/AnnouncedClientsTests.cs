using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Routing;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Proxying.Limits;

public sealed class AnnouncedClientsTests
{
    private readonly AnnouncedClients _clients = new();

    [Fact]
    public void Find_AHeaderThatWasJustSent_IsTheNodesOwn_OneOfLongAgoIsAClientThatComesAgain()
    {
        Session hanging = Create(), again = Create();
        _clients.Enter(hanging, now: 1000);
        Assert.Equal(("emqx", "10.0.0.1:1883"), _clients.Find(again, now: 1000 + AnnouncedClients.UnderWay - 1));
        Assert.Null(_clients.Find(again, now: 1000 + AnnouncedClients.UnderWay));
    }

    /// <summary>The session that hangs ends after the one that followed it has come: it takes its own entry along, not that one's.</summary>
    [Fact]
    public void Leave_OfAnOlderSessionOfTheSameAddresses_KeepsTheYoungers()
    {
        Session older = Create(), younger = Create();
        _clients.Enter(older, now: 0);
        _clients.Enter(younger, now: 5000);
        _clients.Leave(older);
        Assert.NotNull(_clients.Find(Create(), now: 5000));
        _clients.Leave(younger);
        Assert.Null(_clients.Find(Create(), now: 5000));
    }

    private static Session Create()
    {
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")), TimeProvider.System);
        return new Session(null!)
        {
            Remote = NetEndPoint.From(IPAddress.Parse("192.0.2.1"), 1111),
            Local = NetEndPoint.From(IPAddress.Parse("192.0.2.2"), 1883),
            Pool = new UpstreamPool(pool, null, null),
            Backend = pool.Snapshot.Backends[0],
        };
    }
}
