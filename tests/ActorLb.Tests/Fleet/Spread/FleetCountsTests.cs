using ActorLb.Fleet.Spread;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Fleet.Spread;

public sealed class FleetCountsTests
{
    private const uint Broker = 7;

    private readonly FakeTimeProvider _time = new();
    private readonly HashSet<long> _members = [1, 2];
    private readonly FleetCounts _counts;

    public FleetCountsTests() => _counts = new FleetCounts(_time);

    [Fact]
    public void Sum_OfTheOthers_IsAbsolute()
    {
        Hear(1, 1, 10);
        Hear(2, 1, 5);
        Hear(2, 2, 6);
        var sum = _counts.Sum(_members);
        Assert.Equal((16, 3), (sum.ConnectionsOf(Broker), sum.LiveNodes));
    }

    [Fact]
    public void On_AnOlderMessageThatComesLate_ChangesNothing()
    {
        Hear(1, uint.MaxValue, 10);
        Hear(1, 0, 11); // the number after it
        Hear(1, uint.MaxValue, 10);
        Assert.Equal(11, _counts.Sum(_members).ConnectionsOf(Broker));
    }

    [Fact]
    public void Sum_WithoutASilentNodeOrOneThatIsNoMember_LeavesItsConnectionsOut()
    {
        Hear(1, 1, 10);
        _time.Advance(FleetCounts.Silence);
        Hear(2, 1, 5);
        Hear(3, 1, 100);
        Assert.Equal(15, _counts.Sum(_members).ConnectionsOf(Broker));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((5, 2), (_counts.Sum(_members).ConnectionsOf(Broker), _counts.Report.LiveNodes));
    }

    [Fact]
    public void Sum_Verdicts_AMajorityOfTheLiveNodesTakesABrokerDown()
    {
        _counts.SetOwn([new BackendReport(Broker, 0, IsDown: true)]);
        Hear(1, 1, 0);
        Hear(2, 1, 0);
        Assert.Empty(_counts.Sum(_members).Down);
        Hear(1, 2, 0, down: true);
        Assert.Contains(Broker, _counts.Sum(_members).Down);
        Assert.Empty(_counts.Sum(new HashSet<long> { 2 }).Down);
    }

    private void Hear(long incarnation, uint number, int connections, bool down = false) =>
        _counts.On(new CountsMessage(incarnation, number, [new BackendReport(Broker, connections, down)]));
}
