using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>The invariants that always hold, checked at every answer and message.</summary>
internal sealed class SimChecks
{
    private readonly SimWorld _world;
    private readonly Dictionary<(int Shard, ulong Epoch), int> _owners = [];
    private readonly Dictionary<(ulong H, ulong Epoch), BackendRef> _assigned = [];
    private readonly Dictionary<ulong, SimClient> _clients;

    public SimChecks(SimWorld world, SimNetwork network, SimClients clients)
    {
        _world = world;
        _clients = clients.All.ToDictionary(c => c.H);
        network.Handing = Guard;
    }

    /// <summary>The cap is tight, so an entry may be evicted and recreated at any time.</summary>
    public bool EntriesMayGo { get; init; }

    public void Watch(SimNode node)
    {
        node.Map.Context.Answered = (kind, h, epoch, result) => OnAnswered(node, kind, h, epoch, result);
        node.Map.Context.Rejected = (from, what) => _world.Fail($"{node} rejects {what} from {from}");
    }

    /// <summary>A message with a stale epoch must not change the content.</summary>
    private Action? Guard(SimNode to, MapMessage message)
    {
        if (message is not (Replicate or Learn or Seal or SnapshotChunk or Touch or Offer or Digest))
        {
            return null;
        }

        var about = (ShardMessage)message;
        var shard = to.Map.Shards[about.Shard];
        ulong epoch = shard.Serves ? shard.HeldEpoch : shard.Seats?.Epoch ?? 0;
        if (shard.Phase == ShardPhase.Opening || about.Epoch >= epoch)
        {
            return null;
        }

        string before = Fingerprint(shard);
        return () =>
        {
            if (Fingerprint(shard) != before)
            {
                _world.Fail(
                    $"{to}: a {message.GetType().Name} of epoch {ShardEpoch.Number(about.Epoch)} changed shard {about.Shard}, "
                    + $"which is in epoch {ShardEpoch.Number(epoch)} (stale)");
            }
        };
    }

    private static string Fingerprint(MapShard shard) =>
        $"{SimFinalChecks.DigestOf(shard)} {shard.Applied} {shard.Synced} {shard.Phase} {shard.Log.Last}";

    private void OnAnswered(SimNode node, LookupKind kind, ulong h, ulong epoch, LookupResult result)
    {
        _world.Trace(h, () => $"{node} {kind}: {result.Status} {result.Backend} in epoch {ShardEpoch.Number(epoch)}");
        int number = node.Map.Context.ShardOf(h);
        if (!_owners.TryAdd((number, epoch), node.Process) && _owners[(number, epoch)] != node.Process)
        {
            _world.Fail($"processes {_owners[(number, epoch)]} and {node.Process} both answered for shard {number} in epoch {epoch} (rule 1)");
        }

        if (!node.Actors.Contains(number))
        {
            _world.Fail($"{node} answered for shard {number}, whose actor does not run there (rule 1)");
        }

        CheckRoom(node, node.Map.Shards[number]);
        if (result.Status == LookupStatus.None)
        {
            return;
        }

        if (_assigned.TryGetValue((h, epoch), out var before) && before != result.Backend && node.Slots.IsKept(before)
            && !IsExplained(kind, h, result) && !EntriesMayGo)
        {
            _world.Fail($"client {h:x} had {before} and now {result.Backend} in epoch {epoch}, without a reason (rule 2)");
        }

        _assigned[(h, epoch)] = result.Backend;
    }

    /// <summary>
    /// Above its share of the cap a shard holds only connected clients, or clients that were connected when another node had the
    /// shard.
    /// </summary>
    private void CheckRoom(SimNode node, MapShard shard)
    {
        int entries = shard.Partitions.Sum(p => p.Store.Table.Count);
        long bytes = shard.Partitions.Sum(p => p.Store.Table.Bytes);
        if (entries > (2 * node.Map.Context.Rules.MaxPerShard) + 1
            || bytes > shard.Partitions.Length * SimFinalChecks.BytesOf(node))
        {
            _world.Fail($"{node} holds {entries} entries of shard {shard.Number} in {bytes} bytes (rule 9)");
        }
    }

    /// <summary>
    /// Only a Reassign moves a client; a Learn or an offer may only bring a backend on which a session was really opened.
    /// </summary>
    private bool IsExplained(LookupKind kind, ulong h, LookupResult result) => kind switch
    {
        LookupKind.Reassign => result.Status == LookupStatus.Assigned,
        0 => _clients.TryGetValue(h, out var client) && client.Been.Contains(result.Backend),
        _ => false,
    };
}
