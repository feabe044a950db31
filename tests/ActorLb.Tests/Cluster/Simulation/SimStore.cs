using System.Collections.Immutable;
using ActorLb.Cluster;
using ActorLb.Cluster.InProcess;

namespace ActorLb.Tests.Cluster.Simulation;

/// <summary>The store as nodes see it: late, at times away, at times of unknown outcome, once in a while wiped or set back.</summary>
internal sealed class SimStore
{
    private readonly SimWorld _world;
    private readonly HashSet<int> _cut = [];
    private readonly Dictionary<int, Watch> _watches = [];
    private StoreState _state = new();
    private ImmutableArray<StoreEntry> _backup = [];

    public SimStore(SimWorld world)
    {
        _world = world;
        _state.Changed = Publish;
        Expire();
    }

    public bool IsDown { get; private set; }

    /// <summary>Chance that a reply is lost after the work was done.</summary>
    public double Unknown { get; set; }

    public bool IsClean => !IsDown && _cut.Count == 0 && Unknown == 0;

    public Action<byte[]>? TableWritten { get; set; }

    public StoreState State => _state;

    /// <summary>The node's own registration is there.</summary>
    public bool Has(SimNode node) => _state.Range(StoreKeys.Node(node.Id.Name)).Entries
        .Any(e => StoreJson.ReadMember(e.Value.Span)?.Incarnation == node.Id.Incarnation);

    public void CutFrom(SimNode node) => _cut.Add(node.Process);

    public void Stop() => IsDown = true;

    /// <summary>Leases get their whole life again, as after an election of etcd.</summary>
    public void Start()
    {
        IsDown = false;
        _state.ExtendLeases(_world.Now);
        HealAll();
    }

    public void HealAll()
    {
        _cut.Clear();
        Unknown = 0;
        foreach (var watch in _watches.Values.ToArray())
        {
            Flush(watch);
        }
    }

    /// <summary>Everything is lost, and the revisions begin anew.</summary>
    public void Wipe() => Begin([]);

    /// <summary>Keeps what is there now for <see cref="Restore"/>.</summary>
    public void Backup() => _backup = _state.Range("").Entries;

    /// <summary>
    /// What was kept comes back, earlier runs' registrations included; the leases have other numbers, so that nobody's keep-alive
    /// finds them.
    /// </summary>
    public void Restore() => Begin(_backup);

    private void Begin(ImmutableArray<StoreEntry> entries)
    {
        _state.Changed = null;
        _state = new StoreState(_world.Random.NextInt64(1000, long.MaxValue / 2));
        foreach (var group in entries.GroupBy(e => e.Lease))
        {
            var lease = group.Key == 0 ? 0 : _state.Grant(TimeSpan.FromSeconds(1.5), _world.Now);
            foreach (var some in group.Chunk(StoreTransaction.MaxOperations))
            {
                _state.Commit(new StoreTransaction([], [.. some.Select(e => StoreWrite.Put(e.Key, e.Value, lease))]));
            }
        }

        _state.Changed = Publish;
        foreach (var (process, watch) in _watches.ToArray())
        {
            _watches.Remove(process);
            _world.In(_world.Random.Next(1, 50), () => watch.Node.OnWatch(
                watch.Generation, new StoreBatch(0, [], StoreError.Unavailable, "the member restarted")));
        }
    }

    public void Execute(SimNode node, StoreCall call)
    {
        _world.In(_world.Random.Next(1, 4), () =>
        {
            if (IsDown || _cut.Contains(node.Process))
            {
                _world.In(_world.Random.Next(5, 800), () => node.OnStoreReply(Failed(call, StoreError.Unavailable)));
                return;
            }

            var reply = Do(call);
            var lost = _world.Chance(Unknown) && call.Kind == StoreCallKind.Commit;
            _world.In(
                lost ? _world.Random.Next(100, 800) : _world.Random.Next(1, 4),
                () => node.OnStoreReply(lost ? Failed(call, StoreError.OutcomeUnknown) : reply));
        });
    }

    public void WatchFrom(SimNode node, long revision, int generation)
    {
        var watch = new Watch(node, generation);
        _watches[node.Process] = watch;
        if (_state.Since(revision) is not { } missed)
        {
            watch.Queue.Enqueue(new StoreBatch(_state.Revision, [], StoreError.Compacted, "compacted"));
        }
        else
        {
            missed.ForEach(m => watch.Queue.Enqueue(new StoreBatch(m.Revision, m.Events, StoreError.None, null)));
        }

        Flush(watch);
    }

    public void Forget(SimNode node) => _watches.Remove(node.Process);

    private static StoreReply Failed(StoreCall call, StoreError error) => new(call.Number, error, "simulated", 0, false, null, default);

    private StoreReply Do(StoreCall call)
    {
        var reply = new StoreReply(call.Number, StoreError.None, null, 0, false, null, default);
        switch (call.Kind)
        {
            case StoreCallKind.Grant: return reply with { Lease = _state.Grant(TimeSpan.FromSeconds(1.5), _world.Now) };
            case StoreCallKind.KeepAlive: return reply with { Alive = _state.KeepAlive(call.Lease, _world.Now) };
            case StoreCallKind.Revoke:
                _state.Revoke(call.Lease);
                return reply;
            case StoreCallKind.Range: return reply with { Range = _state.Range("") };
            default: return reply with { Commit = _state.Commit(call.Transaction!) };
        }
    }

    private void Publish(long revision, ImmutableArray<StoreEvent> events)
    {
        foreach (var change in events)
        {
            if (change.Entry.Key == StoreKeys.Table && !change.IsDelete)
            {
                TableWritten?.Invoke(change.Entry.Value.ToArray());
            }
        }

        foreach (var watch in _watches.Values.ToArray())
        {
            watch.Queue.Enqueue(new StoreBatch(revision, events, StoreError.None, null));
            Flush(watch);
        }
    }

    private void Flush(Watch watch)
    {
        if (IsDown || _cut.Contains(watch.Node.Process))
        {
            return;
        }

        while (watch.Queue.TryDequeue(out var batch))
        {
            watch.Last = Math.Max(watch.Last, _world.Now + _world.Random.Next(1, 4));
            _world.At(watch.Last, () =>
            {
                if (_watches.GetValueOrDefault(watch.Node.Process) == watch)
                {
                    watch.Node.OnWatch(watch.Generation, batch);
                }
            });
        }
    }

    private void Expire()
    {
        if (!IsDown)
        {
            _state.Expire(_world.Now);
        }

        _world.In(50, Expire);
    }

    private sealed class Watch(SimNode node, int generation)
    {
        public SimNode Node => node;

        public int Generation => generation;

        public long Last { get; set; }

        public Queue<StoreBatch> Queue { get; } = new();
    }
}
