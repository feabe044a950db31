using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// The client-to-backend map of the fleet on one node: the tables of its shards, and the way to those of the others. It decides
/// nothing about membership or who owns a shard: it is told who is a member (<see cref="SetMembers"/>) and when the actor of a shard
/// starts and stops here (<see cref="BeginOpen"/>, <see cref="BeginSeal"/>, <see cref="Close"/>). The transport brings messages, a
/// clock brings time; nothing here waits. Without members it goes on with what it has, read only.
/// </summary>
internal sealed class ShardedMap : IStickyMap, IDisposable
{
    private readonly MapShard[] _shards;
    private readonly MapContext _context;
    private readonly StickyHash _hash;
    private readonly ShardSeating _seating;
    private readonly ShardOpener _opener;
    private readonly ShardSealing _sealing;
    private readonly ShardAnnouncing _announcing;
    private readonly SessionLearning _learning;
    private readonly MapMessageHandler _messages;
    private readonly ShardAnswers _answers;
    private readonly RemoteLookups _remote;
    private readonly MapViews _views;
    private readonly MapTurns _turns;

    /// <summary>Taken before any shard's lock, never under one: members and directory are swapped one at a time.</summary>
    private readonly Lock _viewGate = new();

    public ShardedMap(MapSettings settings, StickyHash hash, BackendSlots slots, StickyClock clock, IMapTransport transport)
    {
        _hash = hash;
        _context = new MapContext(settings, slots, clock, transport);
        _shards = new MapShard[settings.Shards];
        for (var i = 0; i < _shards.Length; i++)
        {
            _shards[i] = new MapShard(i, _context);
        }

        var snapshots = new SnapshotTransfer(_context);
        _seating = new ShardSeating(_context);
        _learning = new SessionLearning(_context);
        var offers = new ShardOffers(_context);
        var copying = new ShardCopying(_context, _seating, snapshots);
        _opener = new ShardOpener(_context, _seating, snapshots, _learning);
        _sealing = new ShardSealing(_context, _opener);
        _announcing = new ShardAnnouncing(_context, _shards, _opener);
        _answers = new ShardAnswers(_context, _shards);
        _remote = new RemoteLookups(_context, _shards, _answers);
        _messages = new MapMessageHandler(
            _context, _shards, copying, snapshots, _opener, _sealing, _announcing, offers, _learning, _answers, _remote);
        _views = new MapViews(_context, _shards, _remote);
        _turns = new MapTurns(_context, _shards, copying, _opener, _sealing, offers, _learning);
    }

    /// <summary>A shard is open here. Any thread, under no lock.</summary>
    public event Action<int>? ShardOpened;

    /// <summary>A shard that was to be sealed is: its actor may stop.</summary>
    public event Action<int>? ShardSealed;

    /// <summary>
    /// Another node has a newer ownership of a shard that was open here: it is closed already, and its actor should stop. It happens
    /// only when two parts of a split meet.
    /// </summary>
    public event Action<int>? ShardDeposed;

    /// <summary>Called when members or directory have changed; on any thread, without holding a lock.</summary>
    public Action? ViewChanged { private get; set; }

    public MapContext Context => _context;

    public MapSettings Settings => _context.Settings;

    public MapCounters Counters => _context.Counters;

    public ReadOnlySpan<MapShard> Shards => _shards;

    public ShardDirectory Directory => _context.View.Directory;

    /// <summary>Null while the node is in no fleet.</summary>
    public MapMembers? Members => _context.View.Members;

    public int CallsInFlight => _remote.Active;

    /// <summary>Something waits for the clock's next 5 ms.</summary>
    public bool IsBusy => _remote.Active > 0 || _context.Soon.Any || _context.TellSoon.Any || _context.ToAnnounce.Any
        || _context.SeatsChanged.Any || _context.Outbox.Any || _context.HasEvents;

    public ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) => _hash.Of(pool, clientId);

    public bool GetOrAssign(
        ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        Call(LookupKind.GetOrAssign, h, BackendRef.None, proposals, waiter, ticket, out answer);

    public bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        Call(LookupKind.Reassign, h, expected, proposals, waiter, ticket, out answer);

    /// <summary>An operator's order: the client's entry becomes this backend's, or goes when it is none.</summary>
    public bool Impose(ulong h, BackendRef backend, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) => backend.IsNone
        ? Call(LookupKind.Remove, h, BackendRef.None, default, waiter, ticket, out answer)
        : Call(LookupKind.Force, h, BackendRef.None, [backend], waiter, ticket, out answer);

    /// <summary>What this node holds of a client, whatever it is to the shard. Changes nothing.</summary>
    public BackendRef Peek(ulong h) => _answers.Remains(h);

    public uint Opened(ulong h, BackendRef backend, StickyOutcome outcome)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            return _learning.Open(shard, h, backend, outcome, _context.Clock.Milliseconds);
        }
    }

    public void Abandoned(ulong h, BackendRef backend, long sinceMade)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            _learning.Abandon(shard, h, backend, sinceMade, _context.Clock.Milliseconds);
        }
    }

    public void Closed(ulong h, BackendRef backend, uint session)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            _learning.Close(shard, h, backend, session, _context.Clock.Milliseconds);
        }
    }

    /// <summary>
    /// Who is in the fleet now, this node included; null when it is in none any more (downed, quarantined, fleet system stopped): then
    /// everything is closed, the tables stay as they are, and lookups are answered from them until there are members again.
    /// </summary>
    public void SetMembers(MapMembers? members)
    {
        lock (_viewGate)
        {
            var old = _context.View;
            if (old.Members is { } were && (members is null || members.Self != were.Self))
            {
                _views.Swap(old.Directory, null);
                CloseAll();
            }

            if (members is not null)
            {
                _views.Swap(old.Directory, members);
                Enter(old.Members, members);
            }
        }

        AfterTurn();
        ViewChanged?.Invoke();
        _context.Wake?.Invoke();
    }

    /// <summary>
    /// The actor of a shard was started here. <see cref="ShardOpened"/> follows, unless it is stopped before. Said again it changes
    /// nothing, in particular not while a hand-over is under way; without members it does nothing.
    /// </summary>
    public void BeginOpen(int shard)
    {
        lock (_shards[shard].Gate)
        {
            _opener.BeginOpen(_shards[shard], _context.View, _context.Clock.Milliseconds);
        }

        AfterTurn();
    }

    /// <summary>The actor of a shard is to stop because another node gets it. <see cref="ShardSealed"/> follows, within about a second.</summary>
    public void BeginSeal(int shard)
    {
        lock (_shards[shard].Gate)
        {
            _sealing.Begin(_shards[shard], _context.Clock.Milliseconds);
        }

        AfterTurn();
    }

    /// <summary>
    /// The actor of a shard has stopped, sealed or not. The actors of a fleet system that ended need not say so after
    /// <see cref="SetMembers"/> was told, and must not once another fleet system starts theirs.
    /// </summary>
    public void Close(int shard)
    {
        lock (_shards[shard].Gate)
        {
            _opener.Close(_shards[shard]);
        }
    }

    /// <summary>A message of another node. Any thread; those of one sender should come one after another.</summary>
    public void Receive(PeerId from, MapMessage message)
    {
        if (_context.View.Peer(from) is not { } peer)
        {
            // Not a member, or not known as one yet: everything that matters is said again.
            return;
        }

        peer.OnHeard();
        _messages.Handle(peer, message);
        AfterTurn();
    }

    /// <summary>Time passes: at least every 50 ms, every 5 ms while there is something to do. One thread.</summary>
    public void Tick()
    {
        var now = _context.Clock.Milliseconds;
        var view = _context.View;
        _turns.Tick(view, now);
        _announcing.Tick(view, now);
        foreach (var peer in view.Peers)
        {
            peer.Tick(now);
        }

        _remote.Tick(now);
        AfterTurn();
    }

    public MapStatistics Measure() => MapStatistics.Of(_shards);

    /// <summary>Entries of a shard on this node.</summary>
    public int CountOf(int shard)
    {
        lock (_shards[shard].Gate)
        {
            return _shards[shard].Partitions.Sum(p => p.Store.Table.Count);
        }
    }

    /// <summary>What the shards hold, a partition at a time, but for what no backend has confirmed.</summary>
    public IEnumerable<MapEntry[]> Export() =>
        from shard in _shards from partition in shard.Partitions select Export(shard, partition.Store.Table);

    /// <summary>Entries of the same keys that another process held. What is invalid here, or no entry has room for, is left out.</summary>
    public void Import(ReadOnlySpan<MapEntry> entries)
    {
        var now = _context.Clock.Milliseconds;
        foreach (ref readonly var entry in entries)
        {
            var shard = _shards[_context.ShardOf(entry.H)];
            lock (shard.Gate)
            {
                shard.Partition(_context.PartitionOf(entry.H)).Store.Learn(
                    entry.H, BackendRef.FromValue(entry.Backend), StickyClock.TicksAgo(now, entry.Age), fellBack: false, _context.Clock.Ticks);
            }
        }
    }

    /// <summary>
    /// An entry that a backend's own list of clients suggests: made where this node owns the shard, and neither an entry nor a session of its
    /// own says otherwise. Any thread.
    /// </summary>
    /// <param name="listed">Milliseconds of <see cref="Clock"/> at which the list was asked for.</param>
    public SeedResult Seed(ulong h, BackendRef backend, long listed)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            if (!shard.Serves)
            {
                return SeedResult.Elsewhere;
            }

            var partition = shard.Partition(_context.PartitionOf(h));
            if (partition.Live?.ContainsKey(h) == true)
            {
                return SeedResult.Known;
            }

            // One tick less: a session that began in the very tick of the question is newer than the list.
            var result = partition.Store.Seed(h, backend, StickyClock.TicksAgo(listed, StickyClock.TickMilliseconds), _context.Clock.Ticks);
            if (result == SeedResult.Added)
            {
                _context.MarkSoon(shard.Number);
            }

            return result;
        }
    }

    public StickyClock Clock => _context.Clock;

    /// <summary>Which shards are open here.</summary>
    public bool[] Open()
    {
        var open = new bool[_shards.Length];
        for (var i = 0; i < open.Length; i++)
        {
            lock (_shards[i].Gate)
            {
                open[i] = _shards[i].Serves;
            }
        }

        return open;
    }

    /// <summary>The clients' keys are others from now on: nothing that is stored here means anything any more.</summary>
    public void Forget()
    {
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                shard.DropStaging();
                foreach (var partition in shard.Partitions)
                {
                    partition.Store.Table.Clear();
                    partition.Live = null;
                    partition.Ended = null;
                }
            }
        }
    }

    private MapEntry[] Export(MapShard shard, ShardTable table)
    {
        lock (shard.Gate)
        {
            var now = _context.Clock.Milliseconds;
            var entries = new List<MapEntry>(table.Count);
            for (var i = 0; i < table.Capacity; i++)
            {
                ref var entry = ref table.At(i);
                if (!Unsafe.IsNullRef(ref entry) && !entry.IsProvisional)
                {
                    entries.Add(_context.ToWire(entry, now));
                }
            }

            return [.. entries];
        }
    }

    /// <summary>Answers what is under way and gives the memory back. Nobody may call afterwards.</summary>
    public void Dispose()
    {
        _remote.GiveUpAll();
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                shard.DropStaging();
                foreach (var partition in shard.Partitions)
                {
                    partition.Store.Table.Dispose();
                }
            }
        }
    }

    private bool Call(
        LookupKind kind, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket,
        out StickyAnswer answer)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            if (shard.Serves)
            {
                var result = _answers.Execute(shard, kind, h, expected, proposals, provisional: true);
                answer = new StickyAnswer(result.Backend, StickyOutcome.Local, result.Status == LookupStatus.Assigned);
                return true;
            }
        }

        return _remote.Begin(kind, h, expected, proposals, waiter, ticket, out answer);
    }

    private void CloseAll()
    {
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                _opener.Close(shard);
                SessionLearning.OnDetached(shard, _context.Clock.Milliseconds);
                shard.DropStaging();
                shard.Synced = false;
                shard.IsSealed = false;
            }
        }

        _remote.GiveUpAll();
    }

    /// <summary>The members changed: copies of those who went are replaced, and who came hears where the shards are.</summary>
    private void Enter(MapMembers? old, MapMembers members)
    {
        var view = _context.View;
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                _seating.Decide(shard, view);
            }

            _context.Soon.Set(shard.Number);
        }

        foreach (var member in members.All)
        {
            if (member.Id != members.Self && member.IsReachable && old?.CanReach(member.Id) != true)
            {
                _announcing.Send(member.Id, all: false);
                _context.Transport.Send(member.Id, new AnnouncementsRequest());
            }
        }
    }

    /// <summary>What a turn left: the directory, messages about copies, events.</summary>
    private void AfterTurn()
    {
        if (_context.SeatsChanged.Any)
        {
            lock (_viewGate)
            {
                _views.SwapDirectory();
            }

            ViewChanged?.Invoke();
        }

        _context.Outbox.Flush();
        while (_context.TryTakeEvent(out var taken))
        {
            var handler = taken.What switch
            {
                MapEvent.Opened => ShardOpened,
                MapEvent.Sealed => ShardSealed,
                _ => ShardDeposed,
            };
            handler?.Invoke(taken.Shard);
        }
    }
}
