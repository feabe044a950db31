using System.Collections.Immutable;
using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>
/// One node's part of the fleet's client-to-backend map: the tables of its shards, and access to those of other nodes. It doesn't
/// decide about membership or ownership: it is told who is a member (<see cref="SetMembers"/>) and when the actor of a shard
/// starts and stops here (<see cref="BeginOpen"/>, <see cref="BeginSeal"/>, <see cref="Close"/>). The transport delivers messages
/// and a clock calls <see cref="Tick"/>; nothing here waits. Without members it continues read-only with what it has.
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
    private readonly SessionReporting _reporting;
    private readonly MapMessageHandler _messages;
    private readonly ShardAnswers _answers;
    private readonly RemoteLookups _remote;
    private readonly MapViews _views;
    private readonly MapTurns _turns;
    private readonly MapContents _contents;

    /// <summary>
    /// Taken before any shard's lock, never while holding one: members and directory are swapped one at a time.
    /// </summary>
    private readonly Lock _viewGate = new();

    public ShardedMap(MapSettings settings, StickyHash hash, BackendSlots slots, StickyClock clock, IMapTransport transport)
    {
        _hash = hash;
        _context = new MapContext(settings, slots, clock, transport);
        _shards = new MapShard[settings.Shards];
        for (int i = 0; i < _shards.Length; i++)
        {
            _shards[i] = new MapShard(i, _context);
        }

        var snapshots = new SnapshotTransfer(_context);
        _seating = new ShardSeating(_context);
        var learning = new SessionLearning(_context);
        _reporting = new SessionReporting(_context, learning);
        var offers = new ShardOffers(_context);
        var copying = new ShardCopying(_context, _seating, snapshots);
        _opener = new ShardOpener(_context, _seating, snapshots, _reporting);
        _sealing = new ShardSealing(_context, _opener);
        _announcing = new ShardAnnouncing(_context, _shards, _opener);
        _answers = new ShardAnswers(_context, _shards);
        _remote = new RemoteLookups(_context, _shards, _answers);
        _messages = new MapMessageHandler(
            _context, _shards, copying, snapshots, _opener, _sealing, _announcing, offers, learning, _reporting, _answers, _remote);
        _views = new MapViews(_context, _shards, _remote);
        _turns = new MapTurns(_context, _shards, copying, _opener, _sealing, offers, _reporting);
        _contents = new MapContents(_context, _shards);
    }

    /// <summary>A shard has opened on this node. Raised on any thread, without holding a lock.</summary>
    public event Action<int>? ShardOpened;

    /// <summary>A shard has been sealed: its actor may stop.</summary>
    public event Action<int>? ShardSealed;

    /// <summary>
    /// Another node has a newer ownership of a shard that was open here. The shard is already closed, and its actor should stop.
    /// Happens only when two sides of a split meet again.
    /// </summary>
    public event Action<int>? ShardDeposed;

    /// <summary>Called when members or directory have changed; on any thread, without holding a lock.</summary>
    public Action? ViewChanged { private get; set; }

    public MapContext Context => _context;

    public MapSettings Settings => _context.Settings;

    public MapCounters Counters => _context.Counters;

    public ReadOnlySpan<MapShard> Shards => _shards;

    public ShardDirectory Directory => _context.View.Directory;

    /// <summary>Null while the node is not a member of a fleet.</summary>
    public MapMembers? Members => _context.View.Members;

    public int CallsInFlight => _remote.Active;

    /// <summary>There is work for the clock's next 5 ms tick.</summary>
    public bool IsBusy => _remote.Active > 0 || _context.Soon.Any || _context.ReportSoon.Any || _context.ToAnnounce.Any
        || _context.SeatsChanged.Any || _context.Outbox.Any || _context.HasEvents;

    public ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) => _hash.Of(pool, clientId);

    public bool GetOrAssign(
        ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        Call(new Lookup(LookupKind.GetOrAssign, h, BackendRef.None, proposals, waiter, ticket), out answer);

    public bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        Call(new Lookup(LookupKind.Reassign, h, expected, proposals, waiter, ticket), out answer);

    /// <summary>An operator's order: assigns the client to the backend, or removes its entry if that is none.</summary>
    public bool Impose(ulong h, BackendRef backend, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) => backend.IsNone
        ? Call(new Lookup(LookupKind.Remove, h, BackendRef.None, default, waiter, ticket), out answer)
        : Call(new Lookup(LookupKind.Force, h, BackendRef.None, [backend], waiter, ticket), out answer);

    /// <summary>Returns what this node holds of a client, whatever its role for the shard. Read-only.</summary>
    public BackendRef Peek(ulong h) => _answers.ReadAnyCopy(h);

    public uint Opened(ulong h, BackendRef backend, StickyOutcome outcome)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            return _reporting.Open(shard, h, backend, outcome, _context.Clock.Milliseconds);
        }
    }

    public void Abandoned(ulong h, BackendRef backend, long sinceMade)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            _reporting.Abandon(shard, h, backend, sinceMade, _context.Clock.Milliseconds);
        }
    }

    public void Closed(ulong h, BackendRef backend, uint session)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            _reporting.Close(shard, h, backend, session, _context.Clock.Milliseconds);
        }
    }

    /// <summary>
    /// Sets the current members, including this node; null when this node is no longer a member (downed, quarantined, fleet
    /// system stopped). Then all shards are closed, the tables stay, and lookups are answered from them until there are members
    /// again.
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
    /// The actor of a shard has started here. <see cref="ShardOpened"/> follows, unless the actor is stopped first. Repeated
    /// calls change nothing, in particular during a hand-over; without members it does nothing.
    /// </summary>
    public void BeginOpen(int shard)
    {
        lock (_shards[shard].Gate)
        {
            _opener.BeginOpen(_shards[shard], _context.View, _context.Clock.Milliseconds);
        }

        AfterTurn();
    }

    /// <summary>
    /// The actor of a shard must stop because the shard moves to another node. <see cref="ShardSealed"/> follows within about a
    /// second.
    /// </summary>
    public void BeginSeal(int shard)
    {
        lock (_shards[shard].Gate)
        {
            _sealing.Begin(_shards[shard], _context.Clock.Milliseconds);
        }

        AfterTurn();
    }

    /// <summary>
    /// The actor of a shard has stopped, sealed or not. After <see cref="SetMembers"/> with null, the actors of the ended fleet
    /// system need not call this, and must not once another fleet system starts its own.
    /// </summary>
    public void Close(int shard)
    {
        lock (_shards[shard].Gate)
        {
            _opener.Close(_shards[shard]);
        }
    }

    /// <summary>Processes a message of another node. Any thread; messages of one sender should arrive in order.</summary>
    public void Receive(MemberId from, MapMessage message)
    {
        if (_context.View.Other(from) is not { } sender)
        {
            // Not a member, or not known as one yet: everything important is sent again.
            return;
        }

        sender.OnHeard();
        _messages.Handle(sender, message);
        AfterTurn();
    }

    /// <summary>
    /// Does the periodic work: call it at least every 50 ms, every 5 ms while <see cref="IsBusy"/>. One thread at a time.
    /// </summary>
    public void Tick()
    {
        long now = _context.Clock.Milliseconds;
        var view = _context.View;
        _turns.Tick(view, now);
        _announcing.Tick(view, now);
        foreach (var other in view.Others)
        {
            other.Tick(now);
        }

        _remote.Tick(now);
        AfterTurn();
    }

    public MapStatistics Measure() => MapStatistics.Of(_shards);

    /// <inheritdoc cref="MapContents.CountOf"/>
    public int CountOf(int shard) => _contents.CountOf(shard);

    /// <inheritdoc cref="MapContents.Export()"/>
    public IEnumerable<MapEntry[]> Export() => _contents.Export();

    /// <inheritdoc cref="MapContents.Import"/>
    public void Import(ReadOnlySpan<MapEntry> entries) => _contents.Import(entries);

    /// <inheritdoc cref="MapContents.Seed"/>
    public SeedResult Seed(ulong h, BackendRef backend, long listed) => _contents.Seed(h, backend, listed);

    /// <inheritdoc cref="MapContents.Forget"/>
    public void Forget() => _contents.Forget();

    public StickyClock Clock => _context.Clock;

    /// <summary>Which shards are open on this node.</summary>
    public bool[] Open()
    {
        bool[] open = new bool[_shards.Length];
        for (int i = 0; i < open.Length; i++)
        {
            lock (_shards[i].Gate)
            {
                open[i] = _shards[i].Serves;
            }
        }

        return open;
    }

    /// <summary>Completes the calls in flight and frees the memory. No calls are allowed afterwards.</summary>
    public void Dispose()
    {
        _remote.GiveUpAll();
        _contents.Free();
    }

    private bool Call(in Lookup lookup, out StickyAnswer answer)
    {
        var shard = _shards[_context.ShardOf(lookup.H)];
        lock (shard.Gate)
        {
            if (shard.Serves)
            {
                var result = _answers.Execute(shard, lookup.Kind, lookup.H, lookup.Expected, lookup.Proposals, provisional: true);
                answer = new StickyAnswer(result.Backend, StickyOutcome.Local, result.Status == LookupStatus.Assigned);
                return true;
            }
        }

        return _remote.Begin(lookup, out answer);
    }

    private void CloseAll()
    {
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                _opener.Close(shard);
                SessionReporting.OnDetached(shard, _context.Clock.Milliseconds);
                shard.DropStaging();
                shard.Synced = false;
                shard.IsSealed = false;
            }
        }

        _remote.GiveUpAll();
    }

    /// <summary>Replaces the copies of members that left, and announces the shards to members that joined.</summary>
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

    /// <summary>Publishes the results of a turn: directory, messages about copies, events.</summary>
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
