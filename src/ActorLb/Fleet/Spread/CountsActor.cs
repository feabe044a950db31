using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// Sends this node's connection counts and health verdicts to all members four times a second, and sums theirs.
/// </summary>
internal sealed class CountsActor : ReceiveActor, IWithTimers
{
    public const string Name = "counts";

    private readonly FleetCounts _counts;
    private readonly Akka.Cluster.Cluster _cluster;
    private uint _number;

    /// <param name="collect">Returns this node's reports, complete. Called four times a second; must not block.</param>
    /// <param name="summed">Receives the fleet's sums after each change; must not block.</param>
    public CountsActor(FleetCounts counts, Func<ImmutableArray<BackendReport>> collect, Action<FleetReport> summed)
    {
        _counts = counts;
        _cluster = Akka.Cluster.Cluster.Get(Context.System);
        Receive<TimePassed>(_ =>
        {
            var own = collect();
            var message = new CountsMessage(_cluster.SelfUniqueAddress.Uid, ++_number, own) { Closed = counts.Closings.ToReports() };
            foreach (var member in Others()) Context.ActorSelection(new RootActorPath(member.Address) / "user" / Name).Tell(message);
            _counts.SetOwn(own);
            summed(Sum());
        });
        Receive<CountsMessage>(message =>
        {
            // Sum at once: with outdated counts nodes would place clients badly.
            _counts.On(message);
            summed(Sum());
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(FleetCounts counts, Func<ImmutableArray<BackendReport>> collect, Action<FleetReport> summed) =>
        Akka.Actor.Props.Create(() => new CountsActor(counts, collect, summed));

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(TimePassed), TimePassed.Instance, FleetCounts.Period);

    private IEnumerable<Member> Others() => _cluster.State.Members.Where(m =>
        m.Status is MemberStatus.Up or MemberStatus.WeaklyUp or MemberStatus.Leaving && !m.UniqueAddress.Equals(_cluster.SelfUniqueAddress));

    private FleetReport Sum() => _counts.Sum(Others().Select(m => (long)m.UniqueAddress.Uid).ToHashSet());

    private sealed record TimePassed
    {
        public static readonly TimePassed Instance = new();
    }
}
