using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using AkkaCluster = Akka.Cluster.Cluster;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Greets the seeds and carries out the decisions of <see cref="Formation"/>. Runs at /user/formation on every node.
/// </summary>
internal sealed class FormationActor : ReceiveActor, IWithTimers
{
    public const string Name = "formation";

    private static readonly TimeSpan AloneTick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan MemberTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ResolveAlone = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ResolveAsMember = TimeSpan.FromSeconds(10);

    /// <summary>After this time without a welcome another node is asked.</summary>
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(5);

    private readonly FleetSystem _fleet;
    private readonly AkkaCluster _cluster;
    private readonly SeedAddresses _seeds;
    private readonly Formation _formation;
    private readonly CancellationTokenSource _stop = new();

    // By seed address: the node that last answered for it, and the greetings it has left unanswered since.
    private readonly Dictionary<string, (long Uid, int Silent)> _answered = new(StringComparer.Ordinal);
    private ImmutableArray<SeedTarget> _targets = [];
    private bool _isResolving;
    private TimeSpan? _resolvedAt;
    private TimeSpan? _joiningSince;
    private ClusterId _id;
    private bool _ended;

    public FormationActor(FleetSystem fleet)
    {
        _fleet = fleet;
        _cluster = fleet.Cluster;
        _seeds = new SeedAddresses(fleet.Settings.Seeds, fleet.Family, fleet.OwnAddresses);
        _formation = new Formation(fleet.Address, _cluster.SelfUniqueAddress.Uid, fleet.Settings.FormAfter, fleet.Now);
        Receive<Hello>(OnHello);
        Receive<ResolvedSeeds>(OnResolved);
        Receive<Tick>(_ => OnTick());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(FleetSystem fleet) => Akka.Actor.Props.Create(() => new FormationActor(fleet));

    protected override void PreStart() => Self.Tell(Tick.Instance);

    protected override void PostStop()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private void OnTick()
    {
        if (_ended) return;
        var self = DescribeSelf();
        Resolve(self.State);
        Greet(self);
        Act(_formation.Decide(self, _fleet.Now), self);
        _fleet.OnSeedsAnswered(_formation.FindsCluster(_fleet.Now));
        Timers.StartSingleTimer("tick", Tick.Instance, self.State == HelloState.Member ? MemberTick : AloneTick);
    }

    private void Act(FormationDecision decision, in FormationSelf self)
    {
        switch (decision.Step)
        {
            case FormationStep.Join when self.State == HelloState.Alone:
                _id = decision.Id;
                _joiningSince = _fleet.Now;
                _fleet.Report("fleet_joining", $"joins the fleet through {decision.Address[(decision.Address.IndexOf('@') + 1)..]}");
                _cluster.Join(Address.Parse(decision.Address));
                break;
            case FormationStep.Form when self.State == HelloState.Alone:
                _id = new ClusterId(_fleet.WallClock.ToUnixTimeMilliseconds(), _cluster.SelfUniqueAddress.Uid);
                _joiningSince = _fleet.Now;
                _fleet.Report("fleet_formed", $"forms the fleet: {_formation.Describe(_fleet.Now)}");
                _cluster.Join(_cluster.SelfAddress);
                break;
            case FormationStep.End:
                _ended = true;
                _fleet.End(decision.Reason);
                break;
            default:
                _fleet.Missing = _formation.Describe(_fleet.Now);
                break;
        }
    }

    private FormationSelf DescribeSelf()
    {
        var members = _cluster.State.Members;
        var own = members.FirstOrDefault(m => m.UniqueAddress.Equals(_cluster.SelfUniqueAddress))?.Status;
        if (own is { } status && MemberTable.IsUp(status))
        {
            _joiningSince = null;
            return new FormationSelf(HelloState.Member, _id, [.. members.Where(m => MemberTable.IsUp(m.Status)).Select(m => (long)m.UniqueAddress.Uid)]);
        }
        // A node that the cluster has accepted waits until it is up; a join that nobody answered is given up.
        bool isJoining = own is not null || _joiningSince is { } since && _fleet.Now - since < JoinPatience;
        return new FormationSelf(isJoining ? HelloState.Joining : HelloState.Alone, default, []);
    }

    private void Resolve(HelloState state)
    {
        var every = state == HelloState.Member ? ResolveAsMember : ResolveAlone;
        if (_isResolving || _resolvedAt is { } at && (!_seeds.HasNames || _fleet.Now - at < every)) return;
        _isResolving = true;
        _ = _seeds.ResolveAsync(_stop.Token).PipeTo(Self);
    }

    private void OnResolved(ResolvedSeeds seeds)
    {
        _isResolving = false;
        _resolvedAt = _fleet.Now;
        _targets = seeds.Targets;
        _formation.SetSeeds([.. seeds.Targets.Select(t => t.Address)], seeds.Unresolved, seeds.HasSelf);
        foreach (string gone in _answered.Keys.Except(seeds.Targets.Select(t => t.Address)).ToArray()) _answered.Remove(gone);
    }

    /// <summary>Members greet only the seeds outside their cluster.</summary>
    private void Greet(in FormationSelf self)
    {
        foreach (var target in _targets)
        {
            (long uid, int silent) = _answered.GetValueOrDefault(target.Address);
            if (self.Members.Contains(uid)) continue;
            _answered[target.Address] = (silent >= 3 ? 0 : uid, silent + 1);
            // A node may accept its host name but not this address.
            string at = target.Name is { } name && silent >= 3 && silent % 2 == 1 ? name : target.Address;
            Context.ActorSelection($"{_cluster.SelfAddress.Protocol}://{FleetConfig.SystemName}@{at}/user/{Name}")
                .Tell(Compose(self, target.Address, wantsAnswer: true, HelloRefusal.None));
        }
    }

    private void OnHello(Hello hello)
    {
        var self = DescribeSelf();
        var refusal = hello.Uid == _cluster.SelfUniqueAddress.Uid || !IsTaken(hello) ? HelloRefusal.None : HelloRefusal.NameIsTaken;
        string? problem = Problem(hello, refusal);
        if (problem is not null) _fleet.Refuse(hello, Sender.Path.Address, problem);
        if (hello.WantsAnswer) Sender.Tell(Compose(self, hello.Target, wantsAnswer: false, refusal));
        if (problem is not null) return;
        string? target = hello.WantsAnswer ? null : hello.Target;
        if (target is not null) _answered[target] = (hello.Uid, 0);
        _formation.Hear(hello, target, _fleet.Now);
    }

    private string? Problem(Hello hello, HelloRefusal refusal)
    {
        if (hello.Protocol != Hello.Current) return $"it uses protocol {hello.Protocol} of another release, this node uses {Hello.Current}";
        if (hello.Cluster != _fleet.Settings.Cluster) return $"its cluster is '{hello.Cluster}', this node's is '{_fleet.Settings.Cluster}'";
        if (hello.Shards != _fleet.Settings.Shards) return $"its cluster.shards is {hello.Shards}, this node's {_fleet.Settings.Shards}";
        if (hello.Refusal == HelloRefusal.NameIsTaken) return $"it refuses this node: another node is already called '{_fleet.Settings.Node}', and node.name must be unique";
        return refusal == HelloRefusal.NameIsTaken ? $"its node.name '{hello.Node}' is already in use" : null;
    }

    /// <summary>Whether this node or a reachable member at another address already has the name.</summary>
    private bool IsTaken(Hello hello)
    {
        if (hello.Node == _fleet.Settings.Node) return hello.Address != _fleet.Address;
        return _cluster.State.Members.Any(m => MemberTable.IsUp(m.Status) && MemberTable.IdOf(m).Name == hello.Node
            && m.Address.ToString() != hello.Address && !_cluster.State.Unreachable.Contains(m));
    }

    private Hello Compose(in FormationSelf self, string target, bool wantsAnswer, HelloRefusal refusal) => new(
        Hello.Current, _fleet.Settings.Cluster, _fleet.Settings.Shards, _fleet.Settings.Node, _cluster.SelfUniqueAddress.Uid, _fleet.Address,
        target, wantsAnswer, self.State, _formation.IsReady, refusal, self.Id, _formation.Hears(_fleet.Now),
        self.Members.Length > Hello.MaxNodes ? self.Members[..Hello.MaxNodes] : self.Members);

    private sealed class Tick : INoSerializationVerificationNeeded
    {
        public static readonly Tick Instance = new();
    }
}
