using ActorLb.Cluster;
using ActorLb.Fleet;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Tests.Cluster.Simulation;

/// <summary>One process of a node: the product's control plane and shard region over simulated time, network and store.</summary>
internal sealed class SimNode : IFleetOutside
{
    private static readonly StickyHash Hash = new(new byte[16]);

    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private readonly SimStore _store;
    private readonly Func<IEnumerable<SimNode>> _all;
    private readonly Dictionary<int, SimLink> _links = [];
    private int _watch;

    public SimNode(
        SimWorld world, SimNetwork network, SimStore store, Func<IEnumerable<SimNode>> all, int process, PeerId id, string? zone,
        IEnumerable<(BackendKey, string)> backends, int maxEntries = Simulation.MaxEntries, int logOps = ReplicationLog.MaxOps)
    {
        _world = world;
        _network = network;
        _store = store;
        _all = all;
        Process = process;
        Id = id;
        var region = new RegionSettings(id, TimeSpan.FromHours(1), maxEntries)
        {
            ShardBits = Simulation.ShardBits,
            DigestMilliseconds = 1500,
            LastKnownGoodEntries = 256,
            LogOps = logOps,
        };
        Region = new ShardRegion(region, Hash, Slots, new StickyClock(world));
        var cluster = new ClusterSettings(id, $"{id.Name}:{process}", zone, 1, TimeSpan.FromSeconds(1.5), Simulation.Shards)
        {
            TickMilliseconds = 500,
            RetryMilliseconds = 100,
        };
        Control = new FleetControl(cluster, Region, Slots, this);
        Region.Context.CopiesChanged = () => Control.OnCopies(world.Now);
        Control.Change(core => core.Backends.Want(backends));
        RegionLoop();
        ControlLoop();
    }

    /// <summary>Unique among all processes of a run, whatever their names.</summary>
    public int Process { get; }

    public PeerId Id { get; }

    public BackendSlots Slots { get; } = new();

    public ShardRegion Region { get; }

    public FleetControl Control { get; }

    public bool IsAlive { get; private set; } = true;

    /// <summary>Until then others do not see that the process is dead.</summary>
    public long DiedVisiblyAt { get; private set; }

    /// <summary>Until then the process does nothing; what comes for it waits.</summary>
    public long StalledUntil { get; private set; }

    public bool IsStalled => _world.Now < StalledUntil;

    /// <summary>Nothing is left that an owner has yet to learn.</summary>
    public bool HasToldItsSessions => !Region.Shards.ToArray().Any(s => s.LearnVersion != s.Learned);

    public bool HasLeft { get; private set; }

    public string? Stopped { get; private set; }

    public ulong Epoch => Region.Context.View.Map.Epoch;

    public void Kill(bool silently)
    {
        IsAlive = false;
        DiedVisiblyAt = _world.Now + (silently ? _world.Random.Next(500, 3000) : 0);
        _store.Forget(this);
    }

    public void Stall(long milliseconds) => StalledUntil = Math.Max(StalledUntil, _world.Now + milliseconds);

    public void Free() => Region.Dispose();

    public void OnFrame(SimNode from, byte[] frame)
    {
        if (Waits(() => OnFrame(from, frame)))
        {
            return;
        }

        var link = LinkTo(from);
        var error = PeerFrameHeader.TryRead(frame, out var header);
        Assert.Equal(PeerFrameError.None, error);
        if (FleetControl.IsControl(header.Type))
        {
            Assert.Null(Control.OnFrame(link, header, frame, _world.Now));
        }
        else
        {
            Assert.Equal(PeerFrameError.None, Region.OnFrame(link, header, frame));
        }
    }

    public void OnStoreReply(StoreReply reply)
    {
        if (IsAlive && !Waits(() => OnStoreReply(reply)))
        {
            Control.OnStoreReply(reply, _world.Now);
        }
    }

    public void OnWatch(int generation, StoreBatch batch)
    {
        if (IsAlive && generation == _watch && !Waits(() => OnWatch(generation, batch)))
        {
            Control.OnWatch(batch, _world.Now);
        }
    }

    public void Call(StoreCall call) => _store.Execute(this, call);

    public void Watch(long fromRevision) => _store.WatchFrom(this, fromRevision, ++_watch);

    public void Probe(PeerId peer, string address) => _world.In(5, () =>
    {
        if (IsAlive)
        {
            var lives = _all().Any(n => n.IsAlive && n.Id == peer);
            Control.OnProbed(peer, lives, _world.Now);
        }
    });

    public void Announce(ClusterEventKind kind, string text) => _world.Note($"{Id.Name}#{Process} {text}");

    public void Ended(bool planned, string reason)
    {
        HasLeft = planned;
        Stopped = reason;
        Kill(silently: false);
    }

    public IPeerLink Connect(PeerEndpoint peer) =>
        _all().FirstOrDefault(n => n.Id == peer.Id && peer.Address == $"{n.Id.Name}:{n.Process}") is { } node ? LinkTo(node) : new DeadLink(peer.Id);

    public void Drop(PeerId peer)
    {
    }

    public void BackendsChanged()
    {
    }

    private SimLink LinkTo(SimNode node) => _links.TryGetValue(node.Process, out var link)
        ? link
        : _links[node.Process] = new SimLink(_network, this, node);

    /// <summary>In the order in which they came: the world's events of one moment keep it.</summary>
    private bool Waits(Action action)
    {
        if (!IsAlive || !IsStalled)
        {
            return !IsAlive;
        }

        _world.At(StalledUntil, action);
        return true;
    }

    private void RegionLoop()
    {
        if (IsAlive && !Waits(RegionLoop))
        {
            Region.Tick();
            _world.In(5, RegionLoop);
        }
    }

    private void ControlLoop()
    {
        if (IsAlive && !Waits(ControlLoop))
        {
            Control.Tick(_world.Now);
            _world.In(50, ControlLoop);
        }
    }

    private sealed record DeadLink(PeerId Peer) : IPeerLink
    {
        public bool IsUp => false;

        public bool Send(ReadOnlySpan<byte> frame, PeerLane lane) => false;
    }
}
