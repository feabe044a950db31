using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Tests.Cluster.Simulation;

/// <summary>Ways to break the protocol on purpose, to see that the checks notice.</summary>
internal enum Variant
{
    None,

    /// <summary>A restarted node is taken for the one that died.</summary>
    NameAsIdentity,

    /// <summary>Nobody looks at the epoch of what others send.</summary>
    NoEpochCheck,

    /// <summary>Now and then a copy takes a change for one of another key.</summary>
    WrongChange,
}

/// <summary>
/// A fleet, its store, its network and its clients over some seconds of virtual time, with everything that the protocol lets happen to
/// them; then quiet, and what must hold when quiet has come.
/// </summary>
internal sealed class Simulation
{
    public const int ShardBits = 4;
    public const int Shards = 1 << ShardBits;
    public const int MaxEntries = Shards * 60;

    /// <summary>Of every eighth run: less than a shard's clients, so that entries are pushed out all the time.</summary>
    public const int TightMaxEntries = Shards * 3;
    private const int ClientCount = 70;

    /// <summary>Changes that a shard keeps for its copies, in the runs where queues are full and logs are short.</summary>
    private const int CrampedLogOps = 4;
    private const long ChaosMilliseconds = 14_000;
    private const int TypicalNodes = 3;

    private static readonly string[] Brokers = ["b1:1883", "b2:1883", "b3:1883"];

    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private readonly SimStore _store;
    private readonly SimClients _clients;
    private readonly SimChecks _checks;
    private readonly Variant _variant;
    private readonly bool _isTight;
    private readonly bool _isCramped;
    private readonly List<SimNode> _nodes = [];
    private readonly HashSet<string> _leaving = [];
    private readonly Dictionary<string, int> _happened = [];
    private int _processes;
    private long _calmUntil;

    private Simulation(int seed, Variant variant)
    {
        _variant = variant;
        _isTight = seed % 8 == 0;
        _isCramped = seed % 6 == 3;
        _world = new SimWorld(seed);
        _network = new SimNetwork(_world);
        _store = new SimStore(_world);
        _clients = new SimClients(_world, () => Alive, ClientCount);
        _checks = new SimChecks(_world, _network, _store, _clients, () => _nodes) { EntriesMayGo = _isTight };
        if (variant == Variant.NoEpochCheck)
        {
            _network.Tamper = PretendSameEpoch;
        }
        else if (variant == Variant.WrongChange)
        {
            _network.Tamper = ChangeAnotherKey;
        }
    }

    private List<SimNode> Alive => [.. _nodes.Where(n => n.IsAlive)];

    public static SimulationResult Run(int seed, Variant variant = Variant.None)
    {
        var simulation = new Simulation(seed, variant);
        try
        {
            simulation.Run();
            if (simulation._nodes.Any(n => n.Region.Context.Counters.LogOverflows > 0))
            {
                simulation.Happens("log overflow");
            }

            return new SimulationResult(
                simulation._clients.Answers, simulation._clients.Outcomes,
                simulation._nodes.Sum(n => n.Region.Context.Counters.HandOffs), simulation._nodes.Max(n => ShardMap.Number(n.Epoch)),
                simulation._nodes.Sum(n => n.Region.Shards.ToArray().Sum(s => s.Store.Evicted)), simulation._happened);
        }
        finally
        {
            simulation._nodes.ForEach(n => n.Free());
        }
    }

    private void Run()
    {
        for (var i = 0; i < TypicalNodes; i++)
        {
            Start($"lb-{i + 1}");
        }

        ClientLoop();
        _world.RunUntil(2500);
        while (_world.Now < ChaosMilliseconds)
        {
            Disturb();
            _world.RunUntil(_world.Now + _world.Random.Next(50, 900));
        }

        Settle();
        new SimFinalChecks(_world, Alive, _clients) { EntriesMayGo = _isTight }.Check();
    }

    private void Start(string name)
    {
        if (Alive.Any(n => n.Id.Name == name))
        {
            return;
        }

        var process = ++_processes;
        var incarnation = _variant == Variant.NameAsIdentity ? Rendezvous.NumberOf(name) : (ulong)_world.Random.NextInt64() + 1;
        var zone = _world.Chance(0.5) ? "a" : "b";
        var node = new SimNode(
            _world, _network, _store, () => _nodes, process, new PeerId(name, incarnation), zone,
            Brokers.Select(b => (new BackendKey("emqx", b), b)), _isTight ? TightMaxEntries : MaxEntries, _isCramped ? CrampedLogOps : ReplicationLog.MaxOps);
        _world.Note($"{name}#{process} starts");
        Happens("start");
        _nodes.Add(node);
        _checks.Watch(node);
        ReportLoop(node);
    }

    private void ClientLoop()
    {
        _clients.Step();
        _world.In(_world.Random.Next(1, 12), ClientLoop);
    }

    /// <summary>What the reactors would report of their connections.</summary>
    private void ReportLoop(SimNode node)
    {
        if (!node.IsAlive)
        {
            return;
        }

        var counts = _clients.All.Where(c => c.Node == node).GroupBy(c => c.Backend)
            .Select(g => new PeerReport(g.Key.Value, (uint)g.Count())).ToArray();
        node.Control.Reports.SetCounts(counts);
        node.Control.Reports.SetVerdicts([.. node.Control.Core.Backends.Records.Select(r => new PeerReport(
            new BackendRef(r.Value.Slot, r.Value.Gen).Value,
            _clients.DeadBrokers.Contains(r.Key.Id) ? PeerReports.Down : PeerReports.Up))]);
        _world.In(100, () => ReportLoop(node));
    }

    private void Disturb()
    {
        if (_world.Now < _calmUntil)
        {
            return;
        }

        var alive = Alive;
        var one = alive.Count > 0 ? _world.Pick(alive) : null;
        var other = alive.Count > 0 ? _world.Pick(alive) : null;
        switch (_world.Random.Next(19))
        {
            case 0 or 1 when alive.Count > 1:
                Crash(one!, restart: _world.Chance(0.7));
                break;
            case 2 when alive.Count < 5:
                Start($"lb-{_processes + 1}");
                break;
            case 3 or 4 when alive.Count > 2:
                Leave(one!);
                break;
            case 5 or 6 when one is not null && one != other:
                _world.Note($"cut {one.Id.Name}#{one.Process} -> {other!.Id.Name}#{other.Process}");
                Happens("one-way cut");
                _network.Cut(one, other);
                _world.In(_world.Random.Next(50, 4000), _network.HealAll);
                break;
            case 7 when one is not null:
                Isolate(one);
                break;
            case 8:
                Happens("loss and delay");
                _network.Loss = 0.1;
                _network.MaxDelay = _world.Random.Next(3, 60);
                if (_isCramped)
                {
                    Happens("back-pressure");
                    _network.Full = 0.3;
                }

                _world.In(_world.Random.Next(100, 2000), _network.HealAll);
                break;
            case 9:
                _world.Note("store down");
                Happens("store down");
                _store.Stop();
                _world.In(_world.Random.Next(200, 4000), _store.Start);
                break;
            case 10 when _world.Chance(0.5):
                _world.Note("store wiped");
                Happens("store wiped");
                _store.Wipe();
                _checks.OnWiped();
                break;
            case 11:
                Happens("outcomes unknown");
                _store.Unknown = 0.3;
                _world.In(1000, _store.HealAll);
                break;
            case 12 when one is not null:
                _world.Note($"{one.Id.Name}#{one.Process} loses the store");
                Happens("cut from the store");
                _store.CutFrom(one);
                _world.In(_world.Random.Next(200, 4000), _store.HealAll);
                break;
            case 13 or 14 when one is not null:
                Operate(one);
                break;
            case 15:
                KillBroker();
                break;
            case 16 when !_isTight:
                Happens("calm event");
                new SimCalmEvents(_world, _clients, () => Alive).Plan(Crash, Leave, IsCalm, calm => _calmUntil = calm);
                break;
            case 17:
                Restore();
                break;
            case 18 when one is not null:
                Stall(one);
                break;
            default:
                break;
        }
    }

    /// <summary>Nothing is wrong anywhere and every shard has two complete copies.</summary>
    private bool IsCalm() => Alive.TrueForAll(n => !n.IsStalled && n.HasToldItsSessions) && _network.IsClean && _store.IsClean && _leaving.Count == 0 && Alive.Count > 1
        && SimFinalChecks.IsSettled(Alive, out _);

    private void Crash(SimNode node, bool restart)
    {
        _world.Note($"{node.Id.Name}#{node.Process} is killed");
        Happens("crash");
        node.Kill(silently: _world.Chance(0.5));
        _clients.OnCrash(node);
        if (restart)
        {
            _world.In(_world.Random.Next(10, 2500), () => Start(node.Id.Name));
        }
    }

    private void Leave(SimNode node)
    {
        if (!_leaving.Add(node.Id.Name))
        {
            return;
        }

        _world.Note($"{node.Id.Name}#{node.Process} is asked to leave");
        Happens("leave");
        node.Control.Change(core => core.Leave());
        Watch();

        void Watch()
        {
            if (node.IsAlive)
            {
                _world.In(50, Watch);
                return;
            }

            _leaving.Remove(node.Id.Name);
            _clients.OnCrash(node);
            if (Alive.Count < TypicalNodes)
            {
                _world.In(_world.Random.Next(10, 1000), () => Start(node.Id.Name));
            }
        }
    }

    /// <summary>The store is set back to some seconds ago: earlier runs of the nodes' names come back, and an older table.</summary>
    private void Restore()
    {
        if (_variant != Variant.None)
        {
            return;
        }

        _store.Backup();
        _world.In(_world.Random.Next(500, 4000), () =>
        {
            if (_world.Now < _calmUntil || _world.Now > ChaosMilliseconds)
            {
                return;
            }

            Happens("store restored");
            _store.Restore();
            _checks.OnWiped();
        });
    }

    /// <summary>A process that gets no processor for a while (SIGSTOP), with its connections standing.</summary>
    private void Stall(SimNode node)
    {
        Happens("stall");
        _world.Note($"{node.Id.Name}#{node.Process} stalls");
        node.Stall(_world.Random.Next(50, 4000));
    }

    private void Happens(string what) => _happened[what] = _happened.GetValueOrDefault(what) + 1;

    private void Isolate(SimNode node)
    {
        Happens("cut off");
        _world.Note($"{node.Id.Name}#{node.Process} is cut off");
        foreach (var other in Alive.Where(n => n != node))
        {
            _network.Cut(node, other);
            _network.Cut(other, node);
        }

        var store = _world.Chance(0.7);
        if (store)
        {
            _store.CutFrom(node);
        }

        _world.In(_world.Random.Next(300, 5000), () =>
        {
            _world.Note("nobody is cut off any more");
            _network.HealAll();
            _store.HealAll();
        });
    }

    private void Operate(SimNode node)
    {
        var key = new BackendKey("emqx", _world.Pick(Brokers));
        var what = _world.Random.Next(4);
        _world.Note($"operator: {key.Id} {what}");
        Happens("operator");
        node.Control.Change(core => core.Backends.Change(
            key,
            record => what switch
            {
                0 => record with { State = BackendRegistry.Down },
                1 => record with { State = BackendRegistry.Drain },
                2 => record with { Gen = BackendRegistry.NextGen(record.Gen) },
                _ => record with { State = BackendRegistry.Up },
            },
            _ => { }));
    }

    private void KillBroker()
    {
        var broker = _world.Pick(Brokers);
        if (_clients.DeadBrokers.Count == 0)
        {
            Happens("broker dead");
            _clients.DeadBrokers.Add(broker);
            _world.In(_world.Random.Next(200, 3000), () => _clients.DeadBrokers.Remove(broker));
        }
    }

    /// <summary>Everything is repaired; the fleet gets the time that it may take to put itself in order.</summary>
    private void Settle()
    {
        _world.RunUntil(Math.Max(_world.Now, _calmUntil + 100));
        _network.HealAll();
        _store.Start();
        _clients.DeadBrokers.Clear();
        _clients.IsPaused = false;
        if (Alive.Count < 2)
        {
            Start("lb-8");
            Start("lb-9");
        }

        // A quarter of the time with clients, the rest without.
        _world.RunUntil(_world.Now + 4000);
        _clients.IsPaused = true;
        _world.RunUntil(_world.Now + 2500);
        for (var waited = 0; waited < 20 && !SimFinalChecks.IsSettled(Alive, out _); waited++)
        {
            _world.RunUntil(_world.Now + 500);
        }

        _world.RunUntil(_world.Now + 3500);
    }

    /// <summary>One change in fifty is of a key that differs in its last bit.</summary>
    private byte[] ChangeAnotherKey(SimNode to, byte[] frame)
    {
        PeerFrameHeader.TryRead(frame, out var header);
        if (header.Type == PeerFrameType.Replicate && PeerReplicate.TryRead(frame, out var replicate) == PeerFrameError.None
            && replicate.Count > 0 && _world.Chance(0.02))
        {
            var ops = new PeerOp[replicate.Count];
            for (var i = 0; i < ops.Length; i++)
            {
                ops[i] = replicate[i];
            }

            ops[0] = ops[0] with { Entry = ops[0].Entry with { H = ops[0].Entry.H ^ 1 } };
            frame = new byte[frame.Length];
            PeerReplicate.Write(frame, header, replicate.Owner, replicate.First, ops);
        }

        return frame;
    }

    /// <summary>The receiver is made to believe that the sender has its own table, which is what not looking at epochs comes to.</summary>
    private static byte[] PretendSameEpoch(SimNode to, byte[] frame)
    {
        PeerFrameHeader.TryRead(frame, out var header);
        if (header.Type is not (PeerFrameType.Table or PeerFrameType.TableRequest))
        {
            frame = [.. frame];
            (header with { Epoch = to.Epoch }).Write(frame, frame.Length);
        }

        return frame;
    }
}

/// <param name="Events">How often each kind of disturbance happened.</param>
internal sealed record SimulationResult(
    long Answers, IReadOnlyDictionary<StickyOutcome, long> Outcomes, long HandOffs, ulong Tables, long Evicted, IReadOnlyDictionary<string, int> Events);
