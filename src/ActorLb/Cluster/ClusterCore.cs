using System.Buffers.Binary;
using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>
/// Membership and coordination of one node as a pure state machine: inputs are the methods, with the time; outputs are
/// <see cref="Effects"/>, which the caller takes and does. One actor owns it.
/// </summary>
internal sealed class ClusterCore
{
    private readonly ClusterSettings _settings;
    private readonly List<ClusterEffect> _effects = [];
    private readonly StoreCalls _calls;
    private readonly Registration _registration;
    private readonly CoordinatorRole _coordinator;
    private readonly StoreErrand _listErrand = new();
    private readonly StoreErrand _keyErrand = new();
    private long _heardFromWatch;
    private bool _ended;
    private string? _tableFault;
    private bool _handOffsPending;
    private PeerId? _lastCoordinator;

    public ClusterCore(ClusterSettings settings)
    {
        _settings = settings;
        View = new StoreView(settings.ShardCount);
        _calls = new StoreCalls(_effects, settings.RetryMilliseconds);
        _registration = new Registration(settings, View, _calls, _effects);
        _coordinator = new CoordinatorRole(settings, View, _calls, _registration, Adopt);
        Backends = new BackendRegistry(View, _calls, _effects);
    }

    /// <summary>What to do, in order. The caller clears it.</summary>
    public List<ClusterEffect> Effects => _effects;

    public StoreView View { get; }

    public BackendRegistry Backends { get; }

    /// <summary>The table in force: the highest epoch that was heard of from the store or from a peer.</summary>
    public ShardMap Map { get; private set; } = ShardMap.None;

    public bool IsCoordinator => _coordinator.IsHolder;

    public bool IsRegistered => _registration.IsRegistered;

    public bool IsLeaving => _registration.IsLeaving;

    public bool? IsStoreUp => _calls.IsStoreUp;

    public string? StoreFault => _calls.LastFault;

    /// <summary>Calls the core ever more often than the shortest of its pauses; 50 ms is usual.</summary>
    public void Tick(long now)
    {
        if (!_ended)
        {
            Reconcile(now);
        }
    }

    public void OnStoreReply(StoreReply reply, long now)
    {
        if (!_ended)
        {
            _calls.OnReply(reply, now);
            Reconcile(now);
        }
    }

    public void OnWatch(StoreBatch batch, long now)
    {
        if (_ended || !View.IsCurrent)
        {
            return;
        }

        _heardFromWatch = now;
        if (batch.Error != StoreError.None)
        {
            // Listing again is always right; resuming would only save bytes.
            View.IsCurrent = false;
            Reconcile(now);
            return;
        }

        var before = View.Members;

        // The end of other registrations in one breath with this node's own is the store's doing, not theirs.
        bool Deletes(StoreEvent e, bool own) =>
            e.IsDelete && e.Entry.Key.StartsWith(StoreKeys.Nodes, StringComparison.Ordinal)
            && e.Entry.Key == StoreKeys.Node(_settings.Self.Name) == own;
        var wiped = batch.Events.Any(e => Deletes(e, own: true)) && batch.Events.Any(e => Deletes(e, own: false));
        View.Apply(batch);
        foreach (var member in before)
        {
            if (!wiped && !View.IsRegistered(member.Id))
            {
                _coordinator.OnGone(member.Id);
            }
        }

        OnChanged(before, batch.Events.Select(e => e.Entry.Key), now);
        Reconcile(now);
    }

    /// <summary>A table that a peer sent.</summary>
    public void OnMap(ShardMap map, long now)
    {
        if (!_ended && map.Epoch > Map.Epoch)
        {
            Adopt(map, now);
            Reconcile(now);
        }
    }

    /// <summary>A node's report of the shards it holds complete copies of, this node's own included.</summary>
    public void OnReady(PeerId id, ulong epoch, ReadOnlySpan<bool> shards) => _coordinator.OnReady(id, epoch, shards);

    public void OnProbed(PeerId peer, bool reachable) => _registration.OnProbed(peer, reachable);

    /// <summary>
    /// Says whether a shard that this node gave up still waits for its new owner: a leave waits for that. Asked of the region that has
    /// adopted the table in force.
    /// </summary>
    public void OnHandOffs(bool pending) => _handOffsPending = pending;

    /// <summary>A planned leave: shards move away, then <see cref="Ended"/> comes.</summary>
    public void Leave() => _registration.IsLeaving = true;

    /// <summary>Asks another node to leave.</summary>
    public void AskToLeave(string name, Action<string?> done)
    {
        if (View.Member(name) is not { } member)
        {
            done($"no node {name} is registered");
            return;
        }

        Commit([StoreCompare.Unchanged(StoreKeys.Node(name), View.ModRevision(StoreKeys.Node(name)))],
            [StoreWrite.Put(StoreKeys.Leaves + name, Incarnation(member))], done);
    }

    /// <summary>Gives a node up: its registration goes, and if it still lives it stops.</summary>
    public void Down(string name, Action<string?> done)
    {
        if (View.Member(name) is not { } member)
        {
            done($"no node {name} is registered");
            return;
        }

        ImmutableArray<StoreWrite> writes =
            [StoreWrite.Delete(StoreKeys.Node(name)), StoreWrite.Put(StoreKeys.Downs + name, Incarnation(member))];
        if (View.Coordinator?.Id == member.Id)
        {
            writes = writes.Add(StoreWrite.Delete(StoreKeys.Coordinator));
        }

        Commit([StoreCompare.Unchanged(StoreKeys.Node(name), View.ModRevision(StoreKeys.Node(name)))], writes, done);
    }

    private static byte[] Incarnation(Member member)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, member.Incarnation);
        return bytes;
    }

    private void Commit(ImmutableArray<StoreCompare> conditions, ImmutableArray<StoreWrite> writes, Action<string?> done) =>
        _calls.Issue(StoreCallKind.Commit, 0, new StoreTransaction(conditions, writes), reply => done(
            !reply.IsOk ? $"the cluster store fails ({reply.Error}): {reply.Detail}"
            : reply.Commit.Succeeded ? null : "the node changed meanwhile; try again"));

    private void Reconcile(long now)
    {
        if (View.IsCurrent && now - _heardFromWatch > _settings.TickMilliseconds * _settings.MissedTicks)
        {
            View.IsCurrent = false;
        }

        if (!View.IsCurrent && _listErrand.IsDue(now))
        {
            _calls.Issue(_listErrand, now, StoreCallKind.Range, 0, null, OnListed);
        }

        _registration.Reconcile(now, Map.Epoch);
        if (_registration.Displaced is { } reason)
        {
            End(planned: false, ClusterEventKind.Displaced, reason);
            return;
        }

        if (View.Entry(StoreKeys.Leaves + _settings.Self.Name) is { } mark && mark.Value.Length == 8
            && BinaryPrimitives.ReadUInt64LittleEndian(mark.Value.Span) == _settings.Self.Incarnation)
        {
            _registration.IsLeaving = true;
        }

        if (_registration.IsLeavingKnown && MayGo())
        {
            _calls.Issue(StoreCallKind.Revoke, _registration.Lease, null, _ => { });
            End(planned: true, ClusterEventKind.Left, $"{_settings.Self.Name} left the cluster");
            return;
        }

        if (_settings.HashKey is { } key && View.IsCurrent && View.Entry(StoreKeys.HashKey) is null && _keyErrand.IsDue(now))
        {
            // Also after the store was wiped: a newcomer must not invent another one.
            var put = new StoreTransaction([StoreCompare.Absent(StoreKeys.HashKey)], [StoreWrite.Put(StoreKeys.HashKey, key)]);
            _calls.Issue(_keyErrand, now, StoreCallKind.Commit, 0, put, (_, then) => _keyErrand.NotBefore = then + _settings.RetryMilliseconds);
        }

        _coordinator.Reconcile(now, Map);
        Backends.Reconcile(now);
    }

    /// <summary>Nothing is left here that others need, or nobody is left to give it to.</summary>
    private bool MayGo()
    {
        if (!View.IsCurrent || _handOffsPending)
        {
            return false;
        }

        // Nodes that the table lists but the store does not may be about to register again, after the store lost them.
        if (View.Members.All(m => m.Leaving) && Map.Nodes.All(n => View.IsRegistered(n.Id)))
        {
            return true;
        }

        var me = Map.IndexOf(_settings.Self);
        return me < 0 || !Map.Shards.Any(s => s.Holds(me));
    }

    private void OnListed(StoreReply reply, long now)
    {
        if (!reply.IsOk)
        {
            return;
        }

        var before = View.Members;
        var older = View.Revision > reply.Range!.Revision;
        if (older)
        {
            _coordinator.OnRestored(now);
            _effects.Add(new Announce(ClusterEventKind.StoreRestored, "the cluster store lost its history; what the nodes know goes on"));
        }

        var changed = View.Reset(reply.Range);
        View.IsCurrent = true;
        _heardFromWatch = now;
        _effects.Add(new WatchStore(reply.Range.Revision + 1));
        OnChanged(before, changed, now);
    }

    private void OnChanged(ImmutableArray<Member> before, IEnumerable<string> keys, long now)
    {
        var nodes = false;
        var backends = false;
        foreach (var key in keys)
        {
            nodes |= key.StartsWith(StoreKeys.Nodes, StringComparison.Ordinal);
            backends |= key.StartsWith(StoreKeys.Backends, StringComparison.Ordinal);
        }

        if (View.TableFault is { } fault && fault != _tableFault)
        {
            _effects.Add(new Announce(
                ClusterEventKind.TableInvalid, $"the shard table in the cluster store cannot be read ({fault}); the last good one stays"));
        }

        _tableFault = View.TableFault;
        if (View.Table is { } table && table.Epoch > Map.Epoch)
        {
            Adopt(table, now);
        }

        if (View.Coordinator?.Id is { } holder && holder != _lastCoordinator)
        {
            _lastCoordinator = holder;
            _effects.Add(new Announce(ClusterEventKind.CoordinatorChanged, $"{holder.Name} coordinates"));
        }

        if (nodes)
        {
            AnnounceMembers(before);
            Want();
        }

        if (backends)
        {
            Backends.OnChanged();
        }
    }

    private void AnnounceMembers(ImmutableArray<Member> before)
    {
        foreach (var member in View.Members)
        {
            var old = before.FirstOrDefault(m => m.Id == member.Id);
            if (old is null)
            {
                _effects.Add(new Announce(ClusterEventKind.MemberUp, $"{member.Name} at {member.Address} is a member"));
            }
            else if (member.Leaving && !old.Leaving)
            {
                _effects.Add(new Announce(ClusterEventKind.MemberLeaving, $"{member.Name} leaves"));
            }
        }

        foreach (var old in before.Where(o => !View.IsRegistered(o.Id)))
        {
            _effects.Add(new Announce(ClusterEventKind.MemberGone, $"{old.Name} at {old.Address} is gone"));
        }
    }

    private void Adopt(ShardMap map, long now)
    {
        if (map.Epoch <= Map.Epoch)
        {
            return;
        }

        Map = map;

        // What the table takes from this node has to be handed over first; the shard region says when that is done.
        _handOffsPending = true;
        _effects.Add(new AdoptMap(map));
        _effects.Add(new Announce(
            ClusterEventKind.TableAdopted, $"table {ShardMap.Number(map.Epoch)} with {map.Nodes.Length} nodes is in force"));
        Want();
    }

    private void Want()
    {
        var peers = View.Members.Select(m => new PeerEndpoint(m.Id, m.Address))
            .Concat(Map.Nodes.Select(n => new PeerEndpoint(n.Id, n.Address)))
            .Where(p => p.Id != _settings.Self)
            .DistinctBy(p => p.Id);
        _effects.Add(new WantPeers([.. peers]));
    }

    private void End(bool planned, ClusterEventKind kind, string reason)
    {
        _ended = true;
        _effects.Add(new Announce(kind, reason));
        _effects.Add(new Ended(planned, reason));
    }
}
