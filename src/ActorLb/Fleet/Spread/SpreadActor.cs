using Akka.Actor;
using Akka.Cluster;
using Akka.DistributedData;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// Carries the spread state in one fleet system: brings the replicator what this process knows, and the process what the replicator hears. A
/// change is written to a majority; one that could not be is written again until it is.
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
        Receive<WriteBackends>(m => Write(m.Done));
        Receive<WriteConfigurations>(_ => TellConfigurations());
        Receive<IUpdateResponse>(OnWritten);
        Receive<IGetResponse>(OnKeysRead);
        Receive<TimePassed>(_ => OnTick());
        Receive<Retry>(_ =>
        {
            if (_state.Backends.HasUnconfirmed) Write(null);
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
        _replicator.Tell(new Subscribe(ConfigurationsKey, Self));
        Write(null);
        TellConfigurations();
        Timers.StartPeriodicTimer(nameof(TimePassed), TimePassed.Instance, Tick);
        Timers.StartPeriodicTimer(nameof(ReviewKeys), ReviewKeys.Instance, RetryAfter, RetryAfter);
        _state.Attach(Self);
    }

    protected override void PostStop() => _state.Attach(null);

    private void OnChanged(Changed changed)
    {
        if (changed.Data is not Registers registers) return;
        if (changed.Key.Id == SpreadState.BackendsKey) _state.OnBackends(registers);
        else if (changed.Key.Id == SpreadState.ConfigurationsKey) _state.Configurations.Merge(registers);
        else _state.OnKeys(registers);
    }

    private void Write(TaskCompletionSource<string?>? done)
    {
        Registers all = _state.Backends.ToRegisters();
        bool member = IsMember;
        IWriteConsistency consistency = member ? new WriteMajority(WritePatience) : WriteLocal.Instance;
        _replicator.Tell(new Update(
            BackendsKey, Registers.Empty, consistency, old => ((Registers?)old ?? Registers.Empty).Merge(all), new Written(all, member, done, _state.Now)));
    }

    /// <summary>Gossip carries them within seconds: nobody waits for it.</summary>
    private void TellConfigurations()
    {
        Registers all = _state.Configurations.ToRegisters();
        _replicator.Tell(new Update(ConfigurationsKey, Registers.Empty, WriteLocal.Instance, old => ((Registers?)old ?? Registers.Empty).Merge(all)));
    }

    private void OnWritten(IUpdateResponse response)
    {
        if (response.Request is not Written written) return;
        string? problem = !written.AsMember ? "this node is detached from the fleet"
            : response is UpdateSuccess ? null
            : response is UpdateTimeout ? $"no majority of the fleet has confirmed it within {WritePatience.TotalSeconds} s"
            : "it cannot be kept on the disk of this node (see its log)";
        if (problem is null)
        {
            _state.CountWrite(written.At);
            if (_state.Backends.Confirm(written.Registers)) _state.Publish();
        }
        else if (_state.Backends.HasUnconfirmed && !Timers.IsTimerActive(nameof(Retry)))
        {
            Timers.StartSingleTimer(nameof(Retry), Retry.Instance, RetryAfter);
        }
        written.Done?.TrySetResult(problem);
    }

    private void OnTick()
    {
        if (!_state.Backends.EndDrains()) return;
        _state.Publish();
        Write(null);
    }

    /// <summary>A member first learns what keys the fleet has, then adds those that are missing or old.</summary>
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
            KeysKey, Registers.Empty, new WriteMajority(WritePatience), old => ((Registers?)old ?? Registers.Empty).Merge(added)));
    }

    private void OnKeysRead(IGetResponse response)
    {
        if (response is GetFailure) return;
        if (response.IsSuccessful && response.Get(KeysKey) is { } registers) _state.OnKeys(registers);
        _knowsKeys = true;
        Timers.StartPeriodicTimer(nameof(ReviewKeys), ReviewKeys.Instance, TimeSpan.Zero, LookAtKeys);
    }

    /// <param name="Done">Hears null when a majority has it, else why not.</param>
    internal sealed record WriteBackends(TaskCompletionSource<string?>? Done);

    internal sealed record WriteConfigurations
    {
        public static readonly WriteConfigurations Instance = new();
    }

    private sealed record Written(Registers Registers, bool AsMember, TaskCompletionSource<string?>? Done, long At);

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

    private sealed class RegistersKey(string id) : Key<Registers>(id);
}
