using System.Collections.Immutable;
using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Fleet;

/// <summary>What the control plane of a node needs done outside: the real node does it with sockets and tasks, the simulation in virtual time.</summary>
internal interface IFleetOutside
{
    void Call(StoreCall call);

    /// <summary>Watch everything from a revision on; an earlier watch ends.</summary>
    void Watch(long fromRevision);

    void Probe(PeerId peer, string address);

    void Announce(ClusterEventKind kind, string text);

    void Ended(bool planned, string reason);

    IPeerLink Connect(PeerEndpoint peer);

    void Drop(PeerId peer);

    /// <summary>The slots of this node's backends, or what operators want of them, changed.</summary>
    void BackendsChanged();
}

/// <summary>
/// Ties membership, reports and the shard region of one node together. Single-threaded: one actor owns it; only the region is shared
/// with the reactors and the transport.
/// </summary>
internal sealed class FleetControl
{
    private const long ReadyMilliseconds = 250;

    private readonly ClusterSettings _settings;
    private readonly BackendSlots _slots;
    private readonly IFleetOutside _outside;
    private readonly Dictionary<PeerId, IPeerLink> _links = [];
    private readonly bool[] _ready;
    private readonly bool[] _sentReady;
    private readonly HashSet<ushort> _slotsInUse = [];
    private long _readyAt;
    private ulong _readyEpoch;

    public FleetControl(ClusterSettings settings, ShardRegion region, BackendSlots slots, IFleetOutside outside)
    {
        _settings = settings;
        _slots = slots;
        _outside = outside;
        Region = region;
        Core = new ClusterCore(settings);
        Reports = new FleetReports(settings.Self);
        _ready = new bool[settings.ShardCount];
        _sentReady = new bool[settings.ShardCount];
    }

    public ClusterCore Core { get; }

    public FleetReports Reports { get; }

    public ShardRegion Region { get; }

    public IReadOnlyDictionary<PeerId, IPeerLink> Links => _links;

    /// <summary>Every 50 ms.</summary>
    public void Tick(long now)
    {
        Core.OnHandOffs(Region.HasHandOffs());
        Core.Tick(now);
        Do();
        Reports.Tick(now, Core.Map.Epoch, Broadcast);
        ReportReady(now);
    }

    /// <summary>The region has more complete copies, or other ones to take: the coordinator hears of it at once.</summary>
    public void OnCopies(long now) => ReportReady(now);

    public void OnStoreReply(StoreReply reply, long now)
    {
        Core.OnStoreReply(reply, now);
        Do();
    }

    public void OnWatch(StoreBatch batch, long now)
    {
        Core.OnWatch(batch, now);
        Do();
    }

    public void OnProbed(PeerId peer, bool reachable, long now)
    {
        Core.OnProbed(peer, reachable);
        Core.Tick(now);
        Do();
    }

    /// <summary>An operator's or the configuration's wish: any change of the core, then its effects.</summary>
    public void Change(Action<ClusterCore> change)
    {
        change(Core);
        Do();
    }

    /// <summary>Frames that are not the region's own.</summary>
    public static bool IsControl(PeerFrameType type) =>
        type is PeerFrameType.Counts or PeerFrameType.Health or PeerFrameType.Table or PeerFrameType.Ready;

    /// <returns>What was wrong with the frame, in words, or null.</returns>
    public string? OnFrame(IPeerLink link, in PeerFrameHeader header, ReadOnlySpan<byte> frame, long now)
    {
        PeerFrameError error;
        switch (header.Type)
        {
            case PeerFrameType.Table:
                var map = ShardMap.TryDecode(PeerOpaque.Body(frame), _settings.ShardCount, out var reason);
                if (map is null)
                {
                    return $"a shard table that cannot be read ({reason})";
                }

                Core.OnMap(map, now);
                Do();
                return null;
            case PeerFrameType.Ready:
                error = PeerReady.TryRead(frame, out var ready);
                if (error == PeerFrameError.None)
                {
                    var shards = new bool[_settings.ShardCount];
                    for (var i = 0; i < shards.Length; i++)
                    {
                        shards[i] = ready[i];
                    }

                    Report(link.Peer, header.Epoch, shards, now);
                }

                break;
            default:
                error = PeerReports.TryRead(frame, out var reports);
                if (error == PeerFrameError.None)
                {
                    Reports.OnReports(link.Peer, header.Type, reports, now);
                }

                break;
        }

        Region.OnHeard(link, header.Epoch);
        return error == PeerFrameError.None ? null : PeerFrameErrors.Describe(error);
    }

    private void Do()
    {
        var effects = Core.Effects;
        for (var i = 0; i < effects.Count; i++)
        {
            switch (effects[i])
            {
                case CallStore call: _outside.Call(call.Call); break;
                case WatchStore watch: _outside.Watch(watch.FromRevision); break;
                case AdoptMap adopt: Region.Adopt(adopt.Map, Link); break;
                case WantPeers want: Want(want.Peers); break;
                case ProbeAddress probe: _outside.Probe(probe.Peer, probe.Address); break;
                case BackendsChanged: PublishSlots(); break;
                case Announce announce: _outside.Announce(announce.Kind, announce.Text); break;
                case Ended ended: _outside.Ended(ended.Planned, ended.Reason); break;
                default: throw new InvalidOperationException(effects[i].GetType().Name);
            }
        }

        effects.Clear();
    }

    private IPeerLink Link(PeerEndpoint peer)
    {
        if (!_links.TryGetValue(peer.Id, out var link))
        {
            _links[peer.Id] = link = _outside.Connect(peer);
        }

        return link;
    }

    private void Want(ImmutableArray<PeerEndpoint> peers)
    {
        foreach (var peer in peers)
        {
            Link(peer);
        }

        foreach (var gone in _links.Keys.Where(id => !peers.Any(p => p.Id == id)).ToArray())
        {
            _links.Remove(gone);
            Reports.Forget(gone);
            _outside.Drop(gone);
        }
    }

    private void Broadcast(ReadOnlyMemory<byte> frame)
    {
        foreach (var link in _links.Values)
        {
            link.Send(frame.Span, PeerLane.Calls);
        }
    }

    /// <summary>The coordinator seats a copy only after its holder reported it complete.</summary>
    private void ReportReady(long now)
    {
        Region.ReadyCopies(_ready, out var epoch);
        if (epoch == 0 || Core.View.Coordinator is not { } coordinator)
        {
            return;
        }

        var news = epoch != _readyEpoch || !_ready.AsSpan().SequenceEqual(_sentReady);
        if (!news && now < _readyAt)
        {
            return;
        }

        _readyAt = now + ReadyMilliseconds;
        _readyEpoch = epoch;
        _ready.CopyTo(_sentReady, 0);
        if (coordinator.Id == _settings.Self)
        {
            Report(_settings.Self, epoch, _ready, now);
        }
        else if (_links.TryGetValue(coordinator.Id, out var link))
        {
            var frame = new byte[PeerReady.SizeOf(_ready.Length)];
            PeerReady.Write(frame, new PeerFrameHeader(PeerFrameType.Ready, 0, 0, 0, epoch), _ready);
            link.Send(frame, PeerLane.Calls);
        }
    }

    /// <summary>What is planned next depends on it.</summary>
    private void Report(PeerId from, ulong epoch, ReadOnlySpan<bool> shards, long now)
    {
        Core.OnReady(from, epoch, shards);
        Core.Tick(now);
        Do();
    }

    private void PublishSlots()
    {
        var used = new HashSet<ushort>();
        foreach (var record in Core.Backends.Records.Values)
        {
            var state = record.State switch
            {
                BackendRegistry.Up => SlotState.Up,
                BackendRegistry.Drain => SlotState.Drain,
                BackendRegistry.Down => SlotState.Down,
                _ => SlotState.Free,
            };
            if (state != SlotState.Free)
            {
                used.Add(record.Slot);
                _slots.Set(new BackendRef(record.Slot, record.Gen), state);
            }
        }

        foreach (var slot in _slotsInUse)
        {
            if (!used.Contains(slot))
            {
                _slots.Clear(slot);
            }
        }

        _slotsInUse.Clear();
        _slotsInUse.UnionWith(used);
        _outside.BackendsChanged();
    }
}
