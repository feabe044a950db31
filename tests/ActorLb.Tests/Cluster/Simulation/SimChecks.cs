using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Tests.Cluster.Simulation;

/// <summary>The rules that hold at every moment, checked on every answer and every frame.</summary>
internal sealed class SimChecks
{
    private readonly SimWorld _world;
    private readonly Dictionary<(int Shard, ulong Epoch), int> _owners = [];
    private readonly Dictionary<(ulong H, ulong Epoch), BackendRef> _assigned = [];
    private readonly Dictionary<(int Process, uint Request), List<ulong>> _asked = [];
    private readonly Dictionary<ulong, SimClient> _clients;
    private readonly SimStore _store;
    private readonly Func<IEnumerable<SimNode>> _nodes;
    private ulong _highestWritten;

    /// <summary>The cap is tight: an entry may be pushed out and made anew at any time.</summary>
    public bool EntriesMayGo { get; init; }

    public SimChecks(SimWorld world, SimNetwork network, SimStore store, SimClients clients, Func<IEnumerable<SimNode>> nodes)
    {
        _store = store;
        _nodes = nodes;
        _world = world;
        _clients = clients.All.ToDictionary(c => c.H);
        network.Sent = OnSent;
        network.Arrived = OnArrived;
        network.Handing = Guard;
        store.TableWritten = OnTableWritten;
    }

    public void Watch(SimNode node) => node.Region.Context.Answered = (type, h, epoch, result) => OnAnswered(node, type, h, epoch, result);

    /// <summary>Rule 1 as the askers see it: who answered a question of one epoch.</summary>
    private void OnSent(SimNode from, SimNode to, byte[] frame)
    {
        PeerFrameHeader.TryRead(frame, out var header);
        if (header.Type is PeerFrameType.GetOrAssign or PeerFrameType.Reassign && header.CallFlags != PeerCallFlags.Hedge)
        {
            var key = (from.Process, header.RequestId);
            if (!_asked.TryGetValue(key, out var epochs))
            {
                _asked[key] = epochs = [];
            }

            epochs.Add(header.Epoch);
        }
    }

    private void OnArrived(SimNode from, SimNode to, byte[] frame)
    {
        PeerFrameHeader.TryRead(frame, out var header);
        if (header.Type != PeerFrameType.Reply || header.CallFlags != PeerCallFlags.None
            || !_asked.TryGetValue((to.Process, header.RequestId), out var asked))
        {
            return;
        }

        PeerReply.TryRead(frame, out var reply);
        if (reply.Status is PeerStatus.Ok or PeerStatus.New)
        {
            // Asked twice, under two tables: the answer to either may be the one that arrives.
            Own(from, header.Shard, asked.Contains(header.Epoch) ? header.Epoch : asked[^1]);
        }
    }

    /// <summary>Rule 13: what a frame of a stale epoch brings must leave the copy as it is.</summary>
    private Action? Guard(SimNode to, byte[] frame)
    {
        PeerFrameHeader.TryRead(frame, out var header);
        if (header.Type is not (PeerFrameType.Replicate or PeerFrameType.Learn or PeerFrameType.Seal or PeerFrameType.Chunk)
            || to.IsStalled || header.Epoch >= to.Region.Shards[header.Shard].Epoch)
        {
            return null;
        }

        var before = Fingerprint(to.Region.Shards[header.Shard]);
        return () =>
        {
            if (Fingerprint(to.Region.Shards[header.Shard]) != before)
            {
                _world.Fail(
                    $"{to.Id.Name}#{to.Process}: a {header.Type} of epoch {ShardMap.Number(header.Epoch)} changed shard {header.Shard}, "
                    + $"which is in epoch {ShardMap.Number(to.Region.Shards[header.Shard].Epoch)} (rule 13)");
            }
        };
    }

    private static string Fingerprint(RegionShard shard)
    {
        Span<ulong> lanes = stackalloc ulong[16];
        shard.Store.Digest(lanes);
        return $"{string.Join(',', lanes.ToArray())} {shard.Store.Table.Count} {shard.Applied} {shard.Synced} {shard.Serves}";
    }

    private void OnAnswered(SimNode node, PeerFrameType type, ulong h, ulong epoch, LookupResult result)
    {
        _world.Trace(h, () => $"{node.Id.Name}#{node.Process} {type}: {result.Status} {result.Backend} in epoch {ShardMap.Number(epoch)}");
        var map = node.Region.Context.View.Map;
        var shard = node.Region.Context.ShardOf(h);
        Own(node, shard, epoch);

        // Between a shard's adoption and the view's the map is one behind; never ahead.
        if (map.Epoch == epoch && map.NodeAt(map.Shards[shard].Owner) != node.Id)
        {
            _world.Fail($"{node.Id.Name}#{node.Process} answered for shard {shard}, which its table does not give it (rule 4)");
        }

        var held = node.Region.Shards[shard].Store.Table;
        if (held.Count > node.Region.Context.Rules.MaxPerShard || held.Bytes > SimFinalChecks.BytesOf(node))
        {
            _world.Fail($"{node.Id.Name}#{node.Process} holds {held.Count} entries of shard {shard} in {held.Bytes} bytes (rule 11)");
        }

        if (result.Status == LookupStatus.None)
        {
            return;
        }

        var key = (h, epoch);
        if (_assigned.TryGetValue(key, out var before) && before != result.Backend && node.Slots.IsKept(before) && !Explained(type, h, result) && !EntriesMayGo)
        {
            _world.Fail($"client {h:x} had {before} and now {result.Backend} in epoch {epoch}, without a reason (rule 2)");
        }

        _assigned[key] = result.Backend;
    }

    /// <summary>
    /// A Reassign moves, and a Learn brings what a session was really opened on. An eviction cannot happen: the cap is above the number
    /// of clients.
    /// </summary>
    private bool Explained(PeerFrameType type, ulong h, LookupResult result) => type switch
    {
        PeerFrameType.Reassign => result.Status == LookupStatus.Assigned,
        PeerFrameType.Learn => _clients.TryGetValue(h, out var client) && client.Been.Contains(result.Backend),
        _ => false,
    };

    private void Own(SimNode node, int shard, ulong epoch)
    {
        if (!_owners.TryAdd((shard, epoch), node.Process) && _owners[(shard, epoch)] != node.Process)
        {
            _world.Fail($"processes {_owners[(shard, epoch)]} and {node.Process} both answered for shard {shard} in epoch {epoch} (rule 1)");
        }
    }

    private void OnTableWritten(byte[] value)
    {
        var map = ShardMap.TryDecode(value, Simulation.Shards, out var reason);
        if (map is null)
        {
            _world.Fail($"a table that cannot be read was written: {reason}");
            return;
        }

        if (map.Epoch <= _highestWritten)
        {
            _world.Fail($"epoch {map.Epoch} was written after {_highestWritten} (rule 3)");
        }

        _highestWritten = map.Epoch;
        foreach (var node in _nodes().Where(n => n.IsAlive && n.Control.Core.IsRegistered && _store.Has(n)))
        {
            if (node.Epoch >= map.Epoch)
            {
                _world.Fail($"epoch {map.Epoch} was written, but {node.Id.Name}#{node.Process} has {node.Epoch} (rule 3)");
            }
        }
    }

    /// <summary>A wiped store knows nothing: then the nodes that register again have to know.</summary>
    public void OnWiped() => _highestWritten = 0;
}
