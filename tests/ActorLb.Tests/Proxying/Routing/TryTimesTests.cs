using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Proxying.Routing;

public sealed class TryTimesTests : IDisposable
{
    private readonly EpollReactor _reactor = BareServices.ReactorOf(BareServices.Create());

    public void Dispose() => _reactor.Dispose();

    /// <summary>Milliseconds: connect-timeout, tries, time for retries, tries made (this one with them), time gone since the first, backends, and the dial's.</summary>
    [Theory]
    // Nobody else to go to: all of connect-timeout.
    [InlineData(10_000, 3, 20_000, 1, 0, 1, 10_000)]
    [InlineData(10_000, 3, 20_000, 2, 0, 2, 10_000)]
    // No other is ever tried, or this is the last try.
    [InlineData(10_000, 1, 20_000, 1, 0, 3, 10_000)]
    [InlineData(10_000, 3, 20_000, 3, 5_000, 4, 10_000)]
    // This try's part of connect-timeout.
    [InlineData(10_000, 3, 20_000, 1, 0, 3, 3_333)]
    [InlineData(10_000, 3, 20_000, 2, 3_333, 3, 5_000)]
    // Less time is left for retries than connect-timeout.
    [InlineData(10_000, 2, 6_000, 1, 0, 2, 3_000)]
    [InlineData(10_000, 3, 8_000, 2, 2_000, 3, 3_000)]
    // No dial is cut short below 1.5 s.
    [InlineData(10_000, 3, 4_000, 1, 0, 3, 1_500)]
    [InlineData(2_000, 3, 20_000, 1, 0, 3, 1_500)]
    // A time too short to be parted is left whole.
    [InlineData(1_500, 3, 20_000, 1, 0, 3, 1_500)]
    [InlineData(1_000, 3, 20_000, 1, 0, 3, 1_000)]
    [InlineData(10_000, 3, 4_000, 1, 2_600, 3, 10_000)]
    // More tries than a session keeps count of.
    [InlineData(60_000, 100, 60_000, 16, 0, 20, 60_000)]
    public void Dial_GetsItsPartOfTheTime(int connectTimeout, int tries, int retryTimeout, int made, int gone, int backends, int expected)
    {
        var session = Create(connectTimeout, tries, retryTimeout, made, gone, backends);
        Assert.Equal(expected, TryTimes.OfDial(session));
    }

    /// <summary>Whom the operator took out is nobody to go to.</summary>
    [Fact]
    public void Dial_OthersAreOut_GetsAllOfTheTime()
    {
        var session = Create(10_000, 3, 20_000, made: 1, gone: 0, backends: 3);
        foreach (var other in session.Pool.Pool.Snapshot.Backends[1..]) other.SetAdminState(AdminState.Down);
        Assert.Equal(10_000, TryTimes.OfDial(session));
    }

    [Theory]
    [InlineData(1_000, 1_000)]
    [InlineData(1, 1)]
    [InlineData(-500, 1)]
    public void TryByGrace_HasItsOwnEnd(int left, int expected)
    {
        var session = Create(10_000, 3, 20_000, made: 1, gone: 0, backends: 3);
        session.Setup!.TryEnds = _reactor.Now + left;
        Assert.Equal((expected, expected), (TryTimes.OfDial(session), TryTimes.OfGreeting(session)));
    }

    [Fact]
    public void Greeting_GetsConnectTimeout_WhateverTheDialTook()
    {
        var session = Create(10_000, 3, 4_000, made: 2, gone: 3_900, backends: 3);
        Assert.Equal(10_000, TryTimes.OfGreeting(session));
    }

    [Theory]
    [InlineData(3, 20_000, 1, 0, false, true)]
    [InlineData(3, 20_000, 2, 19_999, false, true)]
    [InlineData(3, 20_000, 3, 0, false, false)]
    [InlineData(1, 20_000, 1, 0, false, false)]
    [InlineData(3, 20_000, 1, 20_000, false, false)]
    [InlineData(100, 20_000, 16, 0, false, false)]
    // It has had a part of an authentication: no other broker can go on with that.
    [InlineData(3, 20_000, 1, 0, true, false)]
    public void AnotherTry_WithinTriesAndTime_OfAClientThatIsBoundToNone(int tries, int retryTimeout, int made, int gone, bool committed, bool expected)
    {
        var session = Create(10_000, tries, retryTimeout, made, gone, backends: 20);
        session.Setup!.Committed = committed;
        Assert.Equal(expected, TryTimes.AllowAnother(session));
    }

    private Session Create(int connectTimeout, int tries, int retryTimeout, int made, int gone, int backends)
    {
        var options = Pools.Options(BalanceKind.RoundRobin, [.. Enumerable.Range(1, backends).Select(i => Pools.Backend($"10.0.0.{i}"))]) with
        {
            ConnectTimeout = TimeSpan.FromMilliseconds(connectTimeout),
            Retry = new RetryOptions(tries, TimeSpan.FromMilliseconds(retryTimeout)),
        };
        var pool = new Pool(options, TimeProvider.System);
        var setup = new Setup { TriedCount = made, FirstTryAt = _reactor.Now - gone };
        for (int i = 0; i < made; i++) setup.Tried[i] = pool.Snapshot.Backends[i];
        return new Session(_reactor) { Pool = new UpstreamPool(pool, null, null), Setup = setup, Backend = setup.Tried[made - 1] };
    }
}
