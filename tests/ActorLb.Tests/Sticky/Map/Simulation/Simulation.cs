using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>
/// A fleet with its membership, network and clients for some seconds of virtual time with all kinds of faults, then a quiet phase
/// with the final checks.
/// </summary>
internal sealed class Simulation
{
    public const int Shards = 8;
    private const int PartitionBits = 5;
    private const int MaxEntries = (1 << PartitionBits) * 40;

    /// <summary>In every eighth run: fewer than a partition's clients, so that entries are evicted all the time.</summary>
    private const int TightMaxEntries = (1 << PartitionBits) * 2;
    private const int ClientCount = 70;

    /// <summary>The most changes that a shard keeps for its copies in runs with message loss and short logs.</summary>
    private const int CrampedLogOps = 4;
    private const long ChaosMilliseconds = 12_000;
    private const int TypicalNodes = 3;

    private static readonly string[] Brokers = ["b1:1883", "b2:1883", "b3:1883"];

    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private readonly SimCluster _cluster;
    private readonly SimClients _clients;
    private readonly SimChecks _checks;
    private readonly bool _isTight;
    private readonly bool _isCramped;
    private readonly List<SimNode> _nodes = [];
    private readonly HashSet<SimNode> _leaving = [];
    private readonly Dictionary<string, int> _happened = [];
    private readonly Dictionary<string, (BackendRef Backend, AdminState State)> _brokers = [];
    private int _processes;
    private long _calmUntil;

    private Simulation(int seed, Variant variant)
    {
        _isTight = seed % 8 == 0;
        _isCramped = seed % 6 == 3;
        _world = new SimWorld(seed);
        _network = new SimNetwork(_world, () => _nodes);
        _cluster = new SimCluster(_world, _network, variant);
        _clients = new SimClients(_world, () => Alive, ClientCount);
        _checks = new SimChecks(_world, _network, _clients) { EntriesMayGo = _isTight };
        _network.Tamper = variant switch
        {
            Variant.NoEpochCheck => SimTampering.PretendSameEpoch,
            Variant.WrongChange => (_, message) => SimTampering.ChangeAnotherKey(_world, message),
            _ => null,
        };
        for (int i = 0; i < Brokers.Length; i++)
        {
            _brokers[Brokers[i]] = (new BackendRef((ushort)i, 1), AdminState.Up);
        }
    }

    private List<SimNode> Alive => [.. _nodes.Where(n => n.IsAlive)];

    public static SimulationResult Run(int seed, Variant variant = Variant.None)
    {
        var simulation = new Simulation(seed, variant);
        try
        {
            simulation.Run();
            return simulation.Result();
        }
        finally
        {
            simulation._nodes.ForEach(n => n.Free());
        }
    }

    private void Run()
    {
        for (int i = 0; i < TypicalNodes; i++)
        {
            Start($"lb-{i + 1}");
        }

        _cluster.Loop();
        ClientLoop();
        _world.RunUntil(2000);
        while (_world.Now < ChaosMilliseconds)
        {
            Disturb();
            _world.RunUntil(_world.Now + _world.Random.Next(50, 900));
        }

        Settle();
        new SimFinalChecks(_world, Alive, _clients) { EntriesMayGo = _isTight }.Check();
    }

    private SimulationResult Result()
    {
        if (_nodes.Exists(n => n.Map.Counters.LogOverflows > 0))
        {
            Happens("log overflow");
        }

        if (_nodes.Exists(n => n.Map.Counters.Offered > 0))
        {
            Happens("entries offered");
        }

        return new SimulationResult(
            _clients.Answers, _clients.Outcomes, _nodes.Sum(n => n.Map.Counters.HandOffs), _nodes.Sum(n => n.Map.Measure().Evicted), _world.Events, _happened);
    }

    private void Start(string name)
    {
        if (Alive.Exists(n => n.Name == name))
        {
            return;
        }

        var settings = new MapSettings(Shards, TimeSpan.FromHours(1), _isTight ? TightMaxEntries : MaxEntries)
        {
            PartitionBits = PartitionBits,
            DigestMilliseconds = 1500,
            LastKnownGoodEntries = 256,
            LogOps = _isCramped ? CrampedLogOps : 256,
        };
        var node = new SimNode(_world, _network, ++_processes, name, _world.Chance(0.5) ? "a" : "b", settings);
        _nodes.Add(node);
        _checks.Watch(node);
        _cluster.Shards.Watch(node);
        foreach (string broker in Brokers)
        {
            Apply(node, broker, _brokers[broker]);
        }

        Happens("start");
        _cluster.Join(node);
    }

    private void ClientLoop()
    {
        _clients.Step();
        _world.In(_world.Random.Next(1, 12), ClientLoop);
    }

    private void Disturb()
    {
        if (_world.Now < _calmUntil)
        {
            return;
        }

        var alive = Alive;
        var one = alive.Count > 0 ? _world.Pick(alive) : null;
        switch (_world.Random.Next(18))
        {
            case 0 or 1 when alive.Count > 1:
                Crash(one!, restart: _world.Chance(0.7));
                break;
            case 2 when alive.Count < 5:
                Start($"lb-{_processes + 1}");
                break;
            case 3 or 4 when alive.Count - _leaving.Count > 2:
                Leave(one!);
                break;
            case 5 or 6 when alive.Count > 1:
                CutOneWay(one!, _world.Pick(alive.FindAll(n => n != one)));
                break;
            case 7 or 8 when alive.Count > 1:
                Isolate(one!);
                break;
            case 9:
                LoseAndDelay();
                break;
            case 10 when one is not null:
                Happens("fleet system restarted");
                _world.Note($"{one} restarts its fleet system");
                _cluster.Restart(one);
                break;
            case 11 when _world.Chance(0.3):
                Happens("all fleet systems restarted");
                _world.Note("all fleet systems restart");
                alive.ForEach(_cluster.Restart);
                break;
            case 12:
                Happens("actor failed");
                _cluster.Shards.FailActor(_world.Random.Next(Shards));
                break;
            case 13 or 14:
                Operate();
                break;
            case 15:
                KillBroker();
                break;
            case 16 when !_isTight:
                new SimCalmEvents(_world, _clients, () => Alive).Plan(Cause, IsCalm, calm => _calmUntil = calm, Happens);
                break;
            case 17 when one is not null:
                Happens("stall");
                _world.Note($"{one} stalls");
                one.Stall(_world.Random.Next(50, 4000));
                break;
            default:
                break;
        }
    }

    /// <summary>No fault is active and every shard has two complete copies.</summary>
    private void CutOneWay(SimNode from, SimNode to)
    {
        Happens("one-way cut");
        _world.Note($"cut {from} -> {to}");
        _network.Cut(from, to);
        _world.In(_world.Random.Next(50, 4000), _network.HealAll);
    }

    private void LoseAndDelay()
    {
        Happens("loss and delay");
        _network.Loss = _isCramped ? 0.3 : 0.1;
        _network.MaxDelay = _world.Random.Next(3, 60);
        _world.In(_world.Random.Next(100, 2000), _network.HealAll);
    }

    private bool IsCalm() => Alive.TrueForAll(n => !n.IsStalled && n.HasToldItsSessions) && _network.IsClean && _leaving.Count == 0
        && Alive.Count > 1 && _cluster.IsSettled && SimFinalChecks.IsSettled(Alive, out _);

    private void Cause(CalmEvent what, SimNode node)
    {
        _world.Note($"calm: {what} of {node}");
        switch (what)
        {
            case CalmEvent.Crash: Crash(node, restart: false); break;
            case CalmEvent.Leave: Leave(node); break;
            case CalmEvent.Join: Start($"lb-{_processes + 1}"); break;
            case CalmEvent.Restart: _cluster.Restart(node); break;
            default: _cluster.Shards.FailActor(_world.Random.Next(Shards)); break;
        }
    }

    private void Crash(SimNode node, bool restart)
    {
        _world.Note($"{node} is killed");
        Happens("crash");
        node.Kill();
        _clients.OnCrash(node);
        if (restart)
        {
            _world.In(_world.Random.Next(10, 2500), () => Start(node.Name));
        }
    }

    private void Leave(SimNode node)
    {
        if (!_leaving.Add(node))
        {
            return;
        }

        _world.Note($"{node} is asked to leave");
        Happens("leave");
        long since = _world.Now;
        _cluster.Leave(node);
        Watch();

        void Watch()
        {
            if (node.IsAlive && !(_cluster.HasLeft(node) && _world.Now - since > 300))
            {
                // Its fleet system may have restarted meanwhile.
                _cluster.Leave(node);
                _world.In(50, Watch);
                return;
            }

            _world.Note($"{node} has left");
            _leaving.Remove(node);
            node.Kill();
            _cluster.Remove(node);
            _clients.OnCrash(node);
            if (Alive.Count < TypicalNodes)
            {
                _world.In(_world.Random.Next(10, 1000), () => Start(node.Name));
            }
        }
    }

    private void Happens(string what) => _happened[what] = _happened.GetValueOrDefault(what) + 1;

    private void Isolate(SimNode node)
    {
        Happens("cut off");
        _world.Note($"{node} is cut off");
        foreach (var other in Alive.Where(n => n != node))
        {
            _network.Cut(node, other);
        }

        _world.In(_world.Random.Next(300, 6000), () =>
        {
            _world.Note("nobody is cut off any more");
            _network.HealAll();
        });
    }

    private void Operate()
    {
        string broker = _world.Pick(Brokers);
        int what = _world.Random.Next(4);
        _world.Note($"operator: {broker} {what}");
        Happens("operator");
        var (backend, state) = _brokers[broker];
        _brokers[broker] = what switch
        {
            0 => (backend, AdminState.Down),
            1 => (backend, AdminState.Drain),
            2 => (backend with { Gen = (ushort)(backend.Gen + 1) }, state),
            _ => (backend, AdminState.Up),
        };
        var change = _brokers[broker];
        foreach (var node in Alive)
        {
            _world.In(_world.Random.Next(0, 200), () => node.Do(() => Apply(node, broker, change)));
        }
    }

    private void Apply(SimNode node, string broker, (BackendRef Backend, AdminState State) change)
    {
        // Skip it if a newer change has already arrived.
        if (change == _brokers[broker])
        {
            node.Slots.Set(change.Backend, change.State);
            node.Brokers[broker] = change;
        }
    }

    private void KillBroker()
    {
        if (_clients.DeadBrokers.Count == 0)
        {
            string broker = _world.Pick(Brokers);
            Happens("broker dead");
            _clients.DeadBrokers.Add(broker);
            _world.In(_world.Random.Next(200, 3000), () => _clients.DeadBrokers.Remove(broker));
        }
    }

    /// <summary>Repairs everything and gives the fleet time to settle.</summary>
    private void Settle()
    {
        _world.RunUntil(Math.Max(_world.Now, _calmUntil + 100));
        _world.Note("settle");
        _network.HealAll();
        _clients.DeadBrokers.Clear();
        _clients.IsPaused = false;
        if (Alive.Count < 2)
        {
            Start("lb-8");
            Start("lb-9");
        }

        // Partly with clients, then without.
        _world.RunUntil(_world.Now + 3000);
        _clients.IsPaused = true;
        _world.RunUntil(_world.Now + 2500);
        for (int waited = 0; waited < 20 && !SimFinalChecks.IsSettled(Alive, out _); waited++)
        {
            _world.RunUntil(_world.Now + 500);
        }

        _world.RunUntil(_world.Now + 2000);
    }
}
