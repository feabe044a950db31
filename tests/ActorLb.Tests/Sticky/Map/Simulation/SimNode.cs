using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>
/// One process: the real map with simulated time and network, and the actors that the simulated sharding runs on it.
/// </summary>
internal sealed class SimNode : IMapTransport
{
    private static readonly StickyHash Hash = new(new byte[16]);

    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private bool _isAsleep;

    public SimNode(SimWorld world, SimNetwork network, int process, string name, string zone, MapSettings settings)
    {
        _world = world;
        _network = network;
        Process = process;
        Name = name;
        Zone = zone;
        Map = new ShardedMap(settings, Hash, Slots, new StickyClock(world), this);
        Map.Context.Wake = Wake;
        Loop();
    }

    /// <summary>Unique among all processes of a run, which may share names.</summary>
    public int Process { get; }

    public string Name { get; }

    public string Zone { get; }

    /// <summary>The current fleet system's id; changes with every start.</summary>
    public MemberId Id { get; set; }

    public BackendSlots Slots { get; } = new();

    /// <summary>The brokers as this node knows them.</summary>
    public Dictionary<string, (BackendRef Backend, AdminState State)> Brokers { get; } = [];

    public ShardedMap Map { get; }

    /// <summary>Shards whose actor runs here, according to sharding.</summary>
    public HashSet<int> Actors { get; } = [];

    public bool IsAlive { get; private set; } = true;

    /// <summary>The process is stalled until this time; messages wait.</summary>
    public long StalledUntil { get; private set; }

    public bool IsStalled => _world.Now < StalledUntil;

    public bool Runs => IsAlive && !IsStalled;

    public bool IsMember => Map.Members is not null;

    /// <summary>Owners have learned everything from this node.</summary>
    public bool HasToldItsSessions => !Map.Shards.ToArray().Any(s => s.MustOffer || s.Partitions.Any(p => p.LearnVersion != p.Learned));

    public override string ToString() => $"{Name}#{Process}";

    public void Kill() => IsAlive = false;

    public void Stall(long milliseconds) => StalledUntil = Math.Max(StalledUntil, _world.Now + milliseconds);

    public void Free() => Map.Dispose();

    public void Send(MemberId to, MapMessage message) => _network.Send(this, to, message);

    /// <summary>Runs an action now, or when the process is no longer stalled, in order.</summary>
    public void Do(Action action)
    {
        if (IsAlive && IsStalled)
        {
            _world.At(StalledUntil, () => Do(action));
        }
        else if (IsAlive)
        {
            action();
        }
    }

    private void Wake()
    {
        if (_isAsleep)
        {
            _isAsleep = false;
            _world.In(1, Loop);
        }
    }

    private void Loop() => Do(() =>
    {
        Map.Tick();
        if (Map.IsBusy)
        {
            _isAsleep = false;
            _world.In(5, Loop);
            return;
        }

        _isAsleep = true;
        _world.In(50, () =>
        {
            if (_isAsleep)
            {
                _isAsleep = false;
                Loop();
            }
        });
    });
}
