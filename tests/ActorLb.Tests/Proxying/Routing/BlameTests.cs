using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Telemetry;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Proxying.Routing;

/// <summary>Backends of which one failure is enough to be out.</summary>
public sealed class BlameTests : IDisposable
{
    private readonly EpollReactor _reactor = BareServices.ReactorOf(BareServices.Create());

    public void Dispose() => _reactor.Dispose();

    [Theory]
    [InlineData(false, false)]
    // It said AUTH: it lives, and the client may be to blame.
    [InlineData(true, true)]
    public void Failure_CountsAtOnce_ButOfOneThatIsInTheMiddleOfAnAuthentication(bool committed, bool stays)
    {
        var session = Create(tries: 3, made: 1);
        session.Setup!.Committed = committed;
        Blame.Now(session, "refused");
        Assert.Equal((stays, 1, "refused"), (Takes(session, 0), session.Traffic.ConnectFailures, session.Backend!.History.LastError!.Text));
    }

    [Theory]
    // One that closes on a CONNECT is out once another backend has answered the same CONNECT.
    [InlineData(3, false, false, true, false)]
    // One that answers others is busy, not failing.
    [InlineData(3, true, false, true, true)]
    // No other is ever asked, so that nothing would come of waiting.
    [InlineData(1, false, false, false, false)]
    [InlineData(1, true, false, true, true)]
    [InlineData(3, false, true, true, true)]
    public void EarlyClose_CountsWhenAnotherHasAnswered(int tries, bool answersOthers, bool committed, bool takesBefore, bool takesAfter)
    {
        var session = Create(tries, made: 1);
        session.Setup!.Committed = committed;
        if (answersOthers) session.Backend!.ReportSuccess(_reactor.Now);
        Blame.Defer(session, "closed");
        Assert.Equal((takesBefore, 1, "closed"), (Takes(session, 0), session.Traffic.ConnectFailures, session.Backend!.History.LastError!.Text));
        Blame.Settle(session);
        Assert.Equal(takesAfter, Takes(session, 0));
    }

    /// <summary>One bad client must not have the whole pool out.</summary>
    [Fact]
    public void AllClose_NobodyAnswers_AllStay()
    {
        var session = Create(tries: 3, made: 1);
        for (int i = 0; i < 3; i++)
        {
            if (i > 0) Next(session, i);
            Blame.Defer(session, "closed");
        }
        Assert.All(Enumerable.Range(0, 3), i => Assert.True(Takes(session, i)));
    }

    [Fact]
    public void ThirdAnswers_TheTwoThatClosedAreOut_AndAreBlamedOnce()
    {
        var session = Create(tries: 3, made: 1);
        Blame.Defer(session, "closed");
        Next(session, 1);
        Blame.Defer(session, "closed");
        Next(session, 2);
        Blame.Settle(session);
        Assert.Equal((false, false, true), (Takes(session, 0), Takes(session, 1), Takes(session, 2)));
        long failures = session.Setup!.Tried[0].Failures;
        Blame.Settle(session);
        Assert.Equal(failures, session.Setup.Tried[0].Failures);
    }

    private static void Next(Session session, int index)
    {
        session.Backend = session.Pool.Pool.Snapshot.Backends[index];
        session.Setup!.Tried[session.Setup.TriedCount++] = session.Backend;
    }

    private bool Takes(Session session, int index) => session.Pool.Pool.Snapshot.Backends[index].IsEligible(_reactor.Now, newClient: true);

    private Session Create(int tries, int made)
    {
        var options = Pools.Options(
            BalanceKind.RoundRobin, [.. Enumerable.Range(1, 4).Select(i => Pools.Backend($"10.0.0.{i}", maxFails: 1, failTimeout: 3_600))]) with
        {
            Retry = new RetryOptions(tries, TimeSpan.FromSeconds(20)),
        };
        var pool = new Pool(options, TimeProvider.System);
        var session = new Session(_reactor) { Pool = new UpstreamPool(pool, null, null), Setup = new Setup(), Traffic = new BackendTraffic() };
        for (int i = 0; i < made; i++) Next(session, i);
        return session;
    }
}
