using Akka.Actor;
using Akka.Cluster;
using Akka.DistributedData;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// Replicates the spread state in one fleet system: passes changes between this process and the replicator. A change is written
/// to a majority, and written again until it succeeds.
/// </summary>
internal sealed class SpreadActor : ReceiveActor, IWithTimers
{
    public const string Name = "spread";

    public static readonly TimeSpan WritePatience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookAtKeys = TimeSpan.FromSeconds(10);

    private static readonly RegistersKey BackendsKey = new(SpreadState.BackendsKey);
    private static readonly RegistersKey KeysKey = new(SpreadState.KeysKey);
    private static readonly RegistersKey OrdersKey = new(SpreadState.OrdersKey);
    private static readonly RegistersKey ConfigurationsKey = new(SpreadState.ConfigurationsKey);

    private readonly SpreadState _state;
    private readonly IActorRef _replicator;
    private readonly Akka.Cluster.Cluster _cluster;
    private bool _knowsKeys;

    public SpreadActor(SpreadState state)
    {
        _state = state;
        _replicator = DistributedData.Get(Context.System).Replicator;
        _cluster = Akka.Cluster.Cluster.Get(Context.System);
        Receive<Changed>(OnChanged);
        Receive<WriteBackends>(m => WriteAll(m.Done));
        Receive<WriteOrders>(m => WriteAllOrders(m.Done));
        Receive<WriteConfigurations>(_ => TellConfigurations());
        Receive<IUpdateResponse>(OnWritten);
        Receive<IGetResponse>(OnKeysRead);
        Receive<TimePassed>(_ => OnTick());
        Receive<Retry>(_ =>
        {
            if (_state.Backends.HasUnconfirmed) WriteAll(null);
            if (_state.Orders.HasUnconfirmed) WriteAllOrders(null);
        });
        Receive<ReviewKeys>(_ => Review());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private bool IsMember => _cluster.SelfMember.Status is MemberStatus.Up or MemberStatus.WeaklyUp or MemberStatus.Leaving;

    public static Props Props(SpreadState state) => Akka.Actor.Props.Create(() => new SpreadActor(state));

    protected override void PreStart()
    {
        _replicator.Tell(new Subscribe(BackendsKey, Self));
        _replicator.Tell(new Subscribe(KeysKey, Self));
        _replicator.Tell(new Subscribe(OrdersKey, Self));
        _replicator.Tell(new Subscribe(ConfigurationsKey, Self));
        WriteAll(null);
        WriteAllOrders(null);
        TellConfigurations();
        Timers.StartPeriodicTimer(nameof(TimePassed), TimePassed.Instance, Tick);
        Timers.StartPeriodicTimer(nameof(ReviewKeys), ReviewKeys.Instance, RetryAfter, RetryAfter);
        _state.Attach(Self);
    }

    protected override void PostStop() => _state.Attach(null);

    private void OnChanged(Changed changed)
    {
        if (changed.Data is not ReplicatedRegisters { All: var registers }) return;
        if (changed.Key.Id == SpreadState.BackendsKey) _state.OnBackends(registers);
        else if (changed.Key.Id == SpreadState.OrdersKey) _state.Orders.Merge(registers);
        else if (changed.Key.Id == SpreadState.ConfigurationsKey) _state.Configurations.Merge(registers);
        else _state.OnKeys(registers);
    }

    private void WriteAll(TaskCompletionSource<string?>? done)
    {
        var all = _state.Backends.ToRegisters();
        Write(BackendsKey, all, done, () =>
        {
            if (_state.Backends.Confirm(all)) _state.Publish();
        });
    }

    private void WriteAllOrders(TaskCompletionSource<string?>? done)
    {
        var all = _state.Orders.ToRegisters();
        Write(OrdersKey, all, done, () => _state.Orders.Confirm(all));
    }

    private void Write(RegistersKey key, Registers all, TaskCompletionSource<string?>? done, Action confirm)
    {
        bool member = IsMember;
        IWriteConsistency consistency = member ? new WriteMajority(WritePatience) : WriteLocal.Instance;
        _replicator.Tell(new Update(
            key, ReplicatedRegisters.Empty, consistency, old => ((ReplicatedRegisters?)old ?? ReplicatedRegisters.Empty).With(all), new Written(confirm, member, done, _state.Now)));
    }

    /// <summary>Written locally only: gossip distributes them within seconds, and nothing waits for them.</summary>
    private void TellConfigurations()
    {
        var all = _state.Configurations.ToRegisters();
        _replicator.Tell(new Update(ConfigurationsKey, ReplicatedRegisters.Empty, WriteLocal.Instance, old => ((ReplicatedRegisters?)old ?? ReplicatedRegisters.Empty).With(all)));
    }

    private void OnWritten(IUpdateResponse response)
    {
        if (response.Request is not Written written) return;
        string? problem = !written.AsMember ? "this node is detached from the fleet"
            : response is UpdateSuccess ? null
            : response is UpdateTimeout ? $"no majority of the fleet has confirmed it within {WritePatience.TotalSeconds} s"
            : "it cannot be stored on this node's disk (see its log)";
        if (problem is null)
        {
            _state.CountWrite(written.At);
            written.Confirm();
        }
        else if ((_state.Backends.HasUnconfirmed || _state.Orders.HasUnconfirmed) && !Timers.IsTimerActive(nameof(Retry)))
        {
            Timers.StartSingleTimer(nameof(Retry), Retry.Instance, RetryAfter);
        }
        written.Done?.TrySetResult(problem);
    }

    private void OnTick()
    {
        if (!_state.Backends.EndDrains()) return;
        _state.Publish();
        WriteAll(null);
    }

    /// <summary>Reads the fleet's keys first, then adds missing ones and replaces old ones. Members only.</summary>
    private void Review()
    {
        if (!IsMember) return;
        if (!_knowsKeys)
        {
            _replicator.Tell(new Get(KeysKey, new ReadMajority(WritePatience)));
            return;
        }
        if (_state.MissingKeys() is not { } added) return;
        _replicator.Tell(new Update(
            KeysKey, ReplicatedRegisters.Empty, new WriteMajority(WritePatience), old => ((ReplicatedRegisters?)old ?? ReplicatedRegisters.Empty).With(added)));
    }

    private void OnKeysRead(IGetResponse response)
    {
        if (response is GetFailure) return;
        if (response.IsSuccessful && response.Get(KeysKey) is { } registers) _state.OnKeys(registers.All);
        _knowsKeys = true;
        Timers.StartPeriodicTimer(nameof(ReviewKeys), ReviewKeys.Instance, TimeSpan.Zero, LookAtKeys);
    }

    /// <param name="Done">Completed with null when a majority has the change, else with the reason.</param>
    internal sealed record WriteBackends(TaskCompletionSource<string?>? Done);

    /// <param name="Done">The same as for <see cref="WriteBackends"/>.</param>
    internal sealed record WriteOrders(TaskCompletionSource<string?>? Done);

    internal sealed record WriteConfigurations
    {
        public static readonly WriteConfigurations Instance = new();
    }

    private sealed record Written(Action Confirm, bool AsMember, TaskCompletionSource<string?>? Done, long At);

    private sealed record TimePassed
    {
        public static readonly TimePassed Instance = new();
    }

    private sealed record Retry
    {
        public static readonly Retry Instance = new();
    }

    private sealed record ReviewKeys
    {
        public static readonly ReviewKeys Instance = new();
    }

    private sealed class RegistersKey(string id) : Key<ReplicatedRegisters>(id);
}
