using System.Diagnostics;
using ActorLb.Proxying;
using ActorLb.Proxying.Tls;

namespace ActorLb.Tests.Proxying.Tls;

public sealed class HandshakingTests : IDisposable
{
    private readonly NodeServices _services = BareServices.Create();
    private readonly Reactor _reactor;
    private readonly Handshaking _handshaking = new();

    public HandshakingTests()
    {
        _reactor = BareServices.ReactorOf(_services);
    }

    public void Dispose() => _reactor.Dispose();

    [Fact]
    public void TryNext_OfABusyReactor_LeavesItAsLongAsAnExpensiveStepTook()
    {
        long step = Stopwatch.Frequency / 1000;
        Wait(2);
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents, now: step, out _));
        Assert.False(_handshaking.MayGoOn(step, 2 * step));
        Assert.False(_handshaking.TryNext(Handshaking.BusyEvents, now: (3 * step) - 1, out _));
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents, now: 3 * step, out _));
        Assert.False(_handshaking.Any);
    }

    [Fact]
    public void TryNext_OfABusyReactorAfterCheapSteps_WaitsOnlyWhenTheyAddUp()
    {
        // Four of them make half a millisecond.
        long step = Stopwatch.Frequency / 8000, now = 0;
        Wait(5);
        for (int i = 0; i < 4; i++)
        {
            Assert.True(_handshaking.TryNext(Handshaking.BusyEvents, now, out _));
            Assert.Equal(i < 3, _handshaking.MayGoOn(now, now += step));
        }
        Assert.False(_handshaking.TryNext(Handshaking.BusyEvents, now, out _));
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents, now + (4 * step), out _));
    }

    [Fact]
    public void TryNext_OfAReactorWithLittleToDo_ComesAtOnceAndInOrder()
    {
        long step = Stopwatch.Frequency / 1000;
        Session[] sessions = [.. Wait(2)];
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents - 1, now: step, out ulong first));
        Assert.False(_handshaking.MayGoOn(step, 2 * step));
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents - 1, now: 2 * step, out ulong second));
        Assert.Equal([sessions[0].Ticket, sessions[1].Ticket], [first, second]);
        Assert.False(_handshaking.TryNext(Handshaking.BusyEvents - 1, now: 3 * step, out _));
    }

    [Fact]
    public void Continue_WithoutAPlace_WaitsForOneThenForItsTurn()
    {
        Wait(2);
        var third = new Session { Slot = 3, Setup = new Setup() };
        Assert.True(_handshaking.Continue(_services, _reactor, third));
        Assert.Equal((true, false, false), (third.AwaitsPlace, third.AwaitsTurn, third.HandshakeBegun));
        Assert.Equal((2, 1), (_services.Handshakes.Handshakes, _services.Handshakes.Waiting));
        _services.Handshakes.Release();
        _handshaking.PlaceGranted(_services, _reactor, third);
        Assert.Equal((false, true, true), (third.AwaitsPlace, third.AwaitsTurn, third.HandshakeBegun));
    }

    [Fact]
    public void PlaceGranted_ToASessionThatHasEnded_IsGivenBack()
    {
        Wait(2);
        var gone = new Session { Slot = 3, Setup = new Setup() };
        Assert.True(_handshaking.Continue(_services, _reactor, gone));
        _services.Handshakes.Release();
        Handshaking.Leave(_services, _reactor, gone);
        Assert.Equal(2, _services.Handshakes.Handshakes);
        _handshaking.PlaceGranted(_services, _reactor, gone);
        Assert.Equal(1, _services.Handshakes.Handshakes);
        _handshaking.PlaceGranted(_services, _reactor, null);
        Assert.Equal(0, _services.Handshakes.Handshakes);
    }

    [Fact]
    public void YieldPlaces_OthersWait_TakesThemFromThoseThatWaitForTheirPeers()
    {
        HandshakePlaces places = _services.Handshakes;
        places.Max = 2;
        places.HoldTime = 0;
        Session slow = Open(), ready = Open(), other = Open();
        foreach (Session session in (Session[])[slow, ready])
        {
            Assert.True(_handshaking.Continue(_services, _reactor, session));
            Assert.True(_handshaking.TryNext(0, 0, out _));
        }
        slow.AwaitsTurn = false;
        _handshaking.YieldPlaces(_services, _reactor);
        Assert.True(Holds(slow) && Holds(ready));

        Assert.True(_handshaking.Continue(_services, _reactor, other));
        Assert.True(other.AwaitsPlace);
        places.HoldTime = 1;
        _handshaking.YieldPlaces(_services, _reactor);
        Assert.True(Holds(slow));

        places.HoldTime = 0;
        _handshaking.YieldPlaces(_services, _reactor);
        Assert.Equal((false, true, true), (Holds(slow), slow.HandshakeBegun, Holds(ready)));
        Assert.Equal((2, 0), (places.Handshakes, places.Waiting));
        Handshaking.Leave(_services, _reactor, slow);
        Assert.Equal(2, places.Handshakes);
        Handshaking.Leave(_services, _reactor, ready);
        Assert.Equal(1, places.Handshakes);
    }

    /// <summary>A client's handshake and the one with its backend are two.</summary>
    [Fact]
    public void YieldPlaces_SecondHandshakeOfASession_CountsFromItsOwnBegin()
    {
        HandshakePlaces places = _services.Handshakes;
        places.Max = 1;
        Session session = Open(), other = Open();
        Assert.True(_handshaking.Continue(_services, _reactor, session));
        Handshaking.Leave(_services, _reactor, session);
        Assert.True(_handshaking.Continue(_services, _reactor, session));
        session.AwaitsTurn = false;
        Assert.True(_handshaking.Continue(_services, _reactor, other));
        Assert.Equal((1, 1), (places.Handshakes, places.Waiting));
        places.HoldTime = 0;
        session.Setup!.PlaceSince = _reactor.Now + 1;
        _handshaking.YieldPlaces(_services, _reactor);
        Assert.True(Holds(session));

        session.Setup.PlaceSince = _reactor.Now;
        _handshaking.YieldPlaces(_services, _reactor);
        Assert.False(Holds(session));
        Assert.Equal((1, 0), (places.Handshakes, places.Waiting));
        Assert.False(_handshaking.HoldsPlaces);
    }

    /// <summary>A client's first backend is given up while its handshake waits for a turn: the second's must not wait for ever.</summary>
    [Fact]
    public void Continue_WithATurnOfAnEarlierHandshakeStillComing_HasAPlaceWhenItComes()
    {
        Session session = Wait(1).Single();
        Handshaking.Leave(_services, _reactor, session);
        Assert.Equal((true, false), (session.AwaitsTurn, session.HandshakeBegun));
        Assert.True(_handshaking.Continue(_services, _reactor, session));
        Assert.True(session.HandshakeBegun);
        Assert.Equal(1, _services.Handshakes.Handshakes);
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents - 1, 0, out _));
        Assert.False(_handshaking.Any);
    }

    private static bool Holds(Session session) => session.Setup!.PlaceSince != 0;

    private Session Open()
    {
        Session session = _reactor.Open(-1);
        session.Setup = new Setup();
        return session;
    }

    private List<Session> Wait(int count)
    {
        _services.Handshakes.Max = Math.Max(2, count);
        List<Session> sessions = [.. Enumerable.Range(0, count).Select(i => new Session { Slot = i, Setup = new Setup() })];
        sessions.ForEach(s => Assert.True(_handshaking.Continue(_services, _reactor, s)));
        return sessions;
    }
}
