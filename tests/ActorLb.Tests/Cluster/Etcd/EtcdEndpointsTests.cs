using ActorLb.Cluster.Etcd;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Cluster.Etcd;

public sealed class EtcdEndpointsTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly EtcdEndpoints _endpoints;
    private readonly int _first;

    public EtcdEndpointsTests()
    {
        _endpoints = new EtcdEndpoints([new Uri("http://a"), new Uri("http://b"), new Uri("http://c")], _time, new Random(1));
        _first = _endpoints.Pick(0);
    }

    [Fact]
    public void Pick_WhileItWorks_StaysOnOne()
    {
        _endpoints.Succeeded(_first);
        Assert.Equal(_first, _endpoints.Pick(0));
    }

    [Fact]
    public void Pick_AfterAFailure_TakesTheNextAndStaysThere()
    {
        _endpoints.Failed(_first);
        var second = _endpoints.Pick(0);
        Assert.NotEqual(_first, second);
        _endpoints.Succeeded(second);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(second, _endpoints.Pick(0));
    }

    [Fact]
    public void Pick_WithinACall_TriesEachOnce()
    {
        var tried = new List<int>();
        ulong bits = 0;
        for (int i; (i = _endpoints.Pick(bits)) >= 0; bits |= 1UL << i)
        {
            tried.Add(i);
            _endpoints.Failed(i);
        }

        Assert.Equal([0, 1, 2], tried.Order());
    }

    [Fact]
    public void Pick_AllFailed_TakesTheOneThatRestsLeast()
    {
        // The first has failed often, so it rests longest.
        for (var n = 0; n < 5; n++)
        {
            _endpoints.Failed(_first);
        }

        foreach (var other in new[] { 0, 1, 2 }.Where(i => i != _first))
        {
            _endpoints.Failed(other);
        }

        Assert.NotEqual(_first, _endpoints.Pick(0));
        Assert.InRange(_endpoints.Pick(0), 0, 2);
    }

    [Fact]
    public void Failed_Often_RestsLongerButNeverMuchLongerThanALease()
    {
        for (var n = 0; n < 50; n++)
        {
            _endpoints.Failed(_first);
        }

        var others = 0b111UL & ~(1UL << _first);
        Assert.Equal(_first, _endpoints.Pick(others));
        _time.Advance(EtcdEndpoints.LongestRest * 1.25);
        // Its time is over: of two that rest no more it is no longer passed over.
        var other = _endpoints.Pick(1UL << _first);
        _endpoints.Failed(other);
        _endpoints.Failed(_endpoints.Pick((1UL << _first) | (1UL << other)));
        Assert.Equal(_first, _endpoints.Pick(0));
    }

    [Fact]
    public void Constructor_WithoutEndpoints_Throws() =>
        Assert.Throws<ArgumentException>(() => new EtcdEndpoints([], _time, new Random(1)));
}
