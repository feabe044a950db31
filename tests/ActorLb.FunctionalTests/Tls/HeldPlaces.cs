using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Takes all places for handshakes, as a storm would, until they are given back.</summary>
internal sealed class HeldPlaces : IPlaceWaiter, IDisposable
{
    private readonly HandshakePlaces _places;
    private int _held;

    public HeldPlaces(HandshakePlaces places)
    {
        _places = places;
        for (; !places.IsFull; _held++)
            Assert.Equal(PlaceAnswer.Granted, places.Take(this, (ulong)_held));
    }

    public void PlaceGranted(ulong token) => throw new InvalidOperationException("It never waits.");

    public void Dispose()
    {
        for (; _held > 0; _held--)
            _places.Release();
    }
}
