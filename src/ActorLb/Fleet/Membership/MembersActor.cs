using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;
using AkkaCluster = Akka.Cluster.Cluster;

using ClusterEvent = Akka.Cluster.ClusterEvent;

namespace ActorLb.Fleet.Membership;
/// <summary>
/// Turns Akka's events about members and connections into <see cref="ClusterMembers"/> and this program's events.
/// </summary>
internal sealed class MembersActor : ReceiveActor, IWithTimers
{
    public const string Name = "members";

    private static readonly TimeSpan ExpiryTick = TimeSpan.FromMilliseconds(500);

    private readonly FleetSystem _fleet;
    private readonly AkkaCluster _cluster;
    private readonly MemberTable _table;
    private readonly Witnesses _witnesses;
    private readonly TimeSpan _deafAfter;
    private TimeSpan _expiredAt;

    public MembersActor(FleetSystem fleet)
    {
        _fleet = fleet;
        _cluster = fleet.Cluster;
        // Suspicions last half of down-after: by then the failure detector has decided.
        _witnesses = Witnesses.Of(fleet.System.EventStream);
        _deafAfter = FleetConfig.DeafAfter(fleet.Settings.DownAfter);
        _table = new MemberTable(_cluster.SelfUniqueAddress, fleet.Settings.DownAfter / 2);
        Receive<ClusterEvent.CurrentClusterState>(OnState);
        Receive<ClusterEvent.IMemberEvent>(OnMember);
        Receive<ClusterEvent.ReachabilityEvent>(OnReachability);
        Receive<DisassociatedEvent>(e => OnBroken(e.RemoteAddress));
        Receive<AssociationErrorEvent>(e => OnBroken(e.RemoteAddress));
        Receive<AssociatedEvent>(e => PublishIf(_table.Trust(e.RemoteAddress)));
        Receive<ThisActorSystemQuarantinedEvent>(e => _fleet.End($"{e.RemoteAddress} has removed this node as a member"));
        Receive<Expiry>(_ => OnExpiry());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(FleetSystem fleet) => Akka.Actor.Props.Create(() => new MembersActor(fleet));

    protected override void PreStart()
    {
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent),
            typeof(ClusterEvent.ReachabilityEvent));
        Context.System.EventStream.Subscribe(Self, typeof(AssociationEvent));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
        Timers.StartPeriodicTimer("expiry", Expiry.Instance, ExpiryTick);
    }

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private void OnState(ClusterEvent.CurrentClusterState state)
    {
        foreach (var member in state.Members) _table.Set(member);
        foreach (var member in state.Unreachable) _table.SetReachable(member, isReachable: false);
        Publish();
    }

    private void OnMember(ClusterEvent.IMemberEvent change)
    {
        var member = change.Member;
        _table.Set(member);
        bool isSelf = member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);
        switch (change)
        {
            case ClusterEvent.MemberUp:
                Report("member_up", member, "is a member");
                break;
            case ClusterEvent.MemberLeft:
                Report("member_leaving", member, "leaves");
                if (isSelf) _fleet.OnLeaving();
                break;
            case ClusterEvent.MemberDowned when isSelf:
                _fleet.End("this node was downed: it reached too few of the others, or an operator downed it");
                break;
            case ClusterEvent.MemberDowned:
                Report("member_down", member, "is considered dead");
                break;
            case ClusterEvent.MemberRemoved removed when isSelf:
                if (removed.PreviousStatus == MemberStatus.Exiting) _fleet.EndByLeave();
                else _fleet.End("the fleet has removed this node");
                break;
            case ClusterEvent.MemberRemoved:
                _witnesses.Forget(member.Address.ToString());
                Report("member_removed", member, "is no longer a member");
                break;
        }
        Publish();
    }

    private void OnReachability(ClusterEvent.ReachabilityEvent change)
    {
        bool isReachable = change is ClusterEvent.ReachableMember;
        _table.SetReachable(change.Member, isReachable);
        if (isReachable) Report("member_reachable", change.Member, "is reachable again");
        else Report("member_unreachable", change.Member, "is unreachable");
        Publish();
    }

    private void OnExpiry()
    {
        var now = _fleet.Now;
        // After this process paused, heartbeats are still queued in mailboxes: their absence says nothing about the others.
        bool hasPaused = now - _expiredAt > 2 * ExpiryTick;
        _expiredAt = now;
        PublishIf(_table.Expire(now) | (!hasPaused && Listen()));
    }

    private bool Listen() => _table.Listen(a => _witnesses.Hears(a.ToString(), _deafAfter) != false);

    private void OnBroken(Address address) => PublishIf(_table.Suspect(address, _fleet.Now));

    private void PublishIf(bool changed)
    {
        if (changed) Publish();
    }

    private void Publish()
    {
        if (_table.IsMember) _fleet.Publish(_table.View());
    }

    private void Report(string kind, Member member, string text) =>
        _fleet.Report(kind, $"{MemberTable.IdOf(member).Name} ({member.Address.Host}:{member.Address.Port}) {text}");

    private sealed class Expiry : INoSerializationVerificationNeeded
    {
        public static readonly Expiry Instance = new();
    }
}
