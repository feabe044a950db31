using System.Diagnostics;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Tests.Proxying;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

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
        var third = new Session(_reactor) { Slot = 3, Setup = new Setup() };
        Assert.True(_handshaking.Continue(_services, third));
        Assert.Equal((true, false, false), (third.AwaitsPlace, third.AwaitsTurn, third.HandshakeBegun));
        Assert.Equal((2, 1), (_services.Handshakes.Handshakes, _services.Handshakes.Waiting));
        _services.Handshakes.Release();
        _handshaking.PlaceGranted(_services, third);
        Assert.Equal((false, true, true), (third.AwaitsPlace, third.AwaitsTurn, third.HandshakeBegun));
    }

    [Fact]
    public void PlaceGranted_ToASessionThatHasEnded_IsGivenBack()
    {
        Wait(2);
        var gone = new Session(_reactor) { Slot = 3, Setup = new Setup() };
        Assert.True(_handshaking.Continue(_services, gone));
        _services.Handshakes.Release();
        Handshaking.Leave(_services, gone);
        Assert.Equal(2, _services.Handshakes.Handshakes);
        _handshaking.PlaceGranted(_services, gone);
        Assert.Equal(1, _services.Handshakes.Handshakes);
        _handshaking.PlaceGranted(_services, null);
        Assert.Equal(0, _services.Handshakes.Handshakes);
    }

    /// <summary>The steps behind the first wait for a turn alone: whoever is under way goes on before those that have just come.</summary>
    [Fact]
    public void Continue_OfAHandshakeUnderWay_NeedsNoPlace()
    {
        var session = Wait(1).Single();
        session.HasHandshakePlace = session.AwaitsTurn = false;
        _services.Handshakes.Release();
        Wait(2);
        Assert.True(_services.Handshakes.IsFull);
        Assert.True(_handshaking.Continue(_services, session));
        Assert.Equal((false, true, false), (session.AwaitsPlace, session.AwaitsTurn, session.HasHandshakePlace));
    }

    [Fact]
    public void Continue_OfOneWhoseHelloWasNotWhole_NeedsAPlaceAgain()
    {
        var session = Wait(1).Single();
        session.HasHandshakePlace = session.AwaitsTurn = false;
        session.AwaitsHello = true;
        _services.Handshakes.Release();
        Wait(2);
        Assert.True(_handshaking.Continue(_services, session));
        Assert.True(session.AwaitsPlace);
        _services.Handshakes.Release();
        _handshaking.PlaceGranted(_services, session);
        Assert.Equal((true, true, false), (session.HasHandshakePlace, session.AwaitsTurn, session.AwaitsHello));
    }

    /// <summary>A client's handshake and the one with its backend are two.</summary>
    [Fact]
    public void Leave_OfASession_GivesItsPlaceBackOnce()
    {
        var session = Wait(1).Single();
        Handshaking.Leave(_services, session);
        Handshaking.Leave(_services, session);
        Assert.Equal((0, false), (_services.Handshakes.Handshakes, session.HandshakeBegun));
        Assert.True(_handshaking.Continue(_services, session));
        Assert.Equal((1, true), (_services.Handshakes.Handshakes, session.HasHandshakePlace));
    }

    /// <summary>A client's first backend is given up while its handshake waits for a turn: the second's must not wait for ever.</summary>
    [Fact]
    public void Continue_WithATurnOfAnEarlierHandshakeStillComing_HasAPlaceWhenItComes()
    {
        var session = Wait(1).Single();
        Handshaking.Leave(_services, session);
        Assert.Equal((true, false), (session.AwaitsTurn, session.HandshakeBegun));
        Assert.True(_handshaking.Continue(_services, session));
        Assert.True(session.HandshakeBegun);
        Assert.Equal(1, _services.Handshakes.Handshakes);
        Assert.True(_handshaking.TryNext(Handshaking.BusyEvents - 1, 0, out _));
        Assert.False(_handshaking.Any);
    }

    private List<Session> Wait(int count)
    {
        _services.Handshakes.Max = Math.Max(2, count);
        List<Session> sessions = [.. Enumerable.Range(0, count).Select(i => new Session(_reactor) { Slot = i, Setup = new Setup() })];
        sessions.ForEach(s => Assert.True(_handshaking.Continue(_services, s)));
        return sessions;
    }
}
