using Akka.Actor;
using Akka.Cluster;
using AkkaCluster = Akka.Cluster.Cluster;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Asks other members about one whose heartbeats are missing, and answers such questions from <see cref="Witnesses"/>. Silent
/// while all is well. Runs at /user/witness on every node.
/// </summary>
internal sealed class WitnessActor : ReceiveActor, IWithTimers
{
    public const string Name = "witness";

    /// <summary>In larger fleets not every member monitors every other, but some of those asked will.</summary>
    private const int Asked = 9;

    private readonly AkkaCluster _cluster;
    private readonly Witnesses _witnesses;
    private readonly TimeSpan _quiet;
    private readonly TimeSpan _tick;

    public WitnessActor(FleetSystem fleet)
    {
        _cluster = fleet.Cluster;
        _witnesses = Witnesses.Of(fleet.System.EventStream);
        _quiet = FleetConfig.QuietAfter(fleet.Settings.DownAfter);
        _tick = _quiet / 3;
        Receive<Tick>(_ => OnTick());
        Receive<HeartbeatQuestion>(OnAsked);
        Receive<HeartbeatConfirmation>(yes => _witnesses.Vouch(yes.Member));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(FleetSystem fleet) => Akka.Actor.Props.Create(() => new WitnessActor(fleet));

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, _tick);

    private void OnTick()
    {
        Member[]? others = null;
        foreach (var member in _cluster.State.Members)
        {
            string address = member.Address.ToString();
            if (_witnesses.Hears(address, _quiet) != false) continue;
            others ??= [.. _cluster.State.Members.Where(m => !m.UniqueAddress.Equals(_cluster.SelfUniqueAddress))];
            Random.Shared.Shuffle(others);
            var question = new HeartbeatQuestion(address);
            foreach (var other in others.Where(o => !o.UniqueAddress.Equals(member.UniqueAddress) && _witnesses.Hears(o.Address.ToString(), _quiet) != false).Take(Asked))
            {
                Context.ActorSelection(new RootActorPath(other.Address) / "user" / Name).Tell(question);
            }
        }
    }

    private void OnAsked(HeartbeatQuestion question)
    {
        if (_witnesses.Hears(question.Member, _quiet) == true) Sender.Tell(new HeartbeatConfirmation(question.Member));
    }

    private sealed class Tick : INoSerializationVerificationNeeded
    {
        public static readonly Tick Instance = new();
    }
}
