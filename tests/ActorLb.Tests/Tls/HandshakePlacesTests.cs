using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class HandshakePlacesTests
{
    private readonly Waiter _waiter = new();

    [Fact]
    public void Take_OverTheBound_WaitsUntilOneEnds()
    {
        var places = new HandshakePlaces(2);
        Assert.Equal(PlaceAnswer.Granted, places.Take(_waiter, 1));
        Assert.False(places.IsFull);
        Assert.Equal(PlaceAnswer.Granted, places.Take(_waiter, 2));
        Assert.True(places.IsFull);
        Assert.Equal(PlaceAnswer.Waits, places.Take(_waiter, 3));
        Assert.Equal(PlaceAnswer.Waits, places.Take(_waiter, 4));
        Assert.Equal((2, 2), (places.Handshakes, places.Waiting));

        places.Release();
        Assert.Equal([3UL], _waiter.Granted);
        Assert.Equal((2, 1), (places.Handshakes, places.Waiting));
        places.Release();
        places.Release();
        Assert.Equal([3UL, 4], _waiter.Granted);
        Assert.Equal((1, 0), (places.Handshakes, places.Waiting));
    }

    [Fact]
    public void Take_FarOverTheBound_IsRefused()
    {
        var places = new HandshakePlaces(1);
        Assert.Equal(PlaceAnswer.Granted, places.Take(_waiter, 0));
        for (ulong i = 1; i <= HandshakePlaces.WaitingForEach; i++)
        {
            Assert.Equal(PlaceAnswer.Waits, places.Take(_waiter, i));
        }

        Assert.Equal(PlaceAnswer.Refused, places.Take(_waiter, 100));
        Assert.True(places.TryTakeBack(_waiter, 1));
        Assert.Equal(PlaceAnswer.Waits, places.Take(_waiter, 100));
    }

    [Fact]
    public void TakeBack_OfOneThatWaits_GivesItsPlaceToTheNext()
    {
        var places = new HandshakePlaces(1);
        places.Take(_waiter, 1);
        places.Take(_waiter, 2);
        places.Take(_waiter, 3);
        Assert.False(places.TryTakeBack(_waiter, 1));
        Assert.False(places.TryTakeBack(new Waiter(), 2));
        Assert.True(places.TryTakeBack(_waiter, 2));
        Assert.False(places.TryTakeBack(_waiter, 2));
        places.Release();
        Assert.Equal([3UL], _waiter.Granted);
        Assert.False(places.TryTakeBack(_waiter, 3));
    }

    [Fact]
    public void Max_Raised_LetsThoseInThatWait()
    {
        var places = new HandshakePlaces(1);
        places.Take(_waiter, 1);
        places.Take(_waiter, 2);
        places.Take(_waiter, 3);
        places.Max = 2;
        Assert.Equal([2UL], _waiter.Granted);
        Assert.Equal((2, 1), (places.Handshakes, places.Waiting));
    }

    [Fact]
    public void Max_Lowered_LetsNobodyInUntilEnoughHaveLeft()
    {
        var places = new HandshakePlaces(2);
        places.Take(_waiter, 1);
        places.Take(_waiter, 2);
        places.Take(_waiter, 3);
        places.Max = 1;
        places.Release();
        Assert.Empty(_waiter.Granted);
        places.Release();
        Assert.Equal([3UL], _waiter.Granted);
        Assert.Throws<ArgumentOutOfRangeException>(() => places.Max = 0);
    }

    private sealed class Waiter : IPlaceWaiter
    {
        public List<ulong> Granted { get; } = [];

        public void PlaceGranted(ulong token) => Granted.Add(token);
    }
}
