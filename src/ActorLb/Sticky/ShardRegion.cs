using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Sticky;

/// <summary>
/// The part of a node that holds shards, and the map that its reactors ask. A lookup of an owned shard takes that shard's lock and no
/// other; the rest becomes a call to the owner. The control plane brings tables (<see cref="Adopt"/>), the transport brings frames,
/// and a clock brings time (<see cref="Tick"/>); nothing here waits.
/// </summary>
internal sealed class ShardRegion : IStickyMap, IDisposable
{
    private const long LaterMilliseconds = 50;

    private readonly RegionShard[] _shards;
    private readonly RegionContext _context;
    private readonly StickyHash _hash;
    private readonly ShardCopying _copying;
    private readonly SessionLearning _learning;
    private readonly RemoteLookups _remote;
    private readonly Dictionary<PeerId, PeerCalls> _peers = [];
    private long _laterAt;
    private long _visitedAt;
    private int _visitNext;

    public ShardRegion(RegionSettings settings, StickyHash hash, BackendSlots slots, StickyClock clock)
    {
        _hash = hash;
        _context = new RegionContext(settings, slots, clock);
        _shards = new RegionShard[1 << settings.ShardBits];
        for (var i = 0; i < _shards.Length; i++)
        {
            _shards[i] = new RegionShard(i, new ShardStore(settings.ShardBits, slots, _context.Rules));
        }

        _copying = new ShardCopying(_context);
        _learning = new SessionLearning(_context);
        _remote = new RemoteLookups(_context, i => _shards[i]);
    }

    public RegionContext Context => _context;

    public ReadOnlySpan<RegionShard> Shards => _shards;

    public int CallsInFlight => _remote.Active;

    /// <summary>Something waits for the clock's next 5 ms.</summary>
    public bool IsBusy => _remote.Active > 0 || _context.Soon.Any || _context.HaveCopiesChanged;

    public ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) => _hash.Of(pool, clientId);

    public bool GetOrAssign(
        ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer)
    {
        var flags = proposals.IsEmpty ? PeerCallFlags.None : PeerCallFlags.Create | PeerCallFlags.Touch;
        return Call(PeerFrameType.GetOrAssign, flags, h, BackendRef.None, proposals, waiter, ticket, out answer);
    }

    public bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        Call(PeerFrameType.Reassign, PeerCallFlags.Create, h, expected, proposals, waiter, ticket, out answer);

    /// <summary>An operator's word: the client's entry becomes this backend's, or goes when it is none.</summary>
    public bool Impose(ulong h, BackendRef backend, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) => backend.IsNone
        ? Call(PeerFrameType.Reassign, PeerCallFlags.Remove, h, BackendRef.None, default, waiter, ticket, out answer)
        : Call(PeerFrameType.Reassign, PeerCallFlags.Force, h, BackendRef.None, [backend], waiter, ticket, out answer);

    public uint Opened(ulong h, BackendRef backend, StickyOutcome outcome)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            return _learning.Open(shard, h, backend, outcome, _context.Clock.Milliseconds);
        }
    }

    public void Abandoned(ulong h, BackendRef backend)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            if (shard.Serves)
            {
                _learning.Abandon(shard, h, backend, _context.Clock.Milliseconds);
            }
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

    /// <summary>Puts a table in force. One caller at a time.</summary>
    public void Adopt(ShardMap map, Func<PeerEndpoint, IPeerLink> connect)
    {
        var old = _context.View.Map;
        if (map.Epoch <= old.Epoch || map.Shards.Length != _shards.Length)
        {
            return;
        }

        var now = _context.Clock.Milliseconds;
        var peers = new PeerCalls?[map.Nodes.Length];
        for (var i = 0; i < peers.Length; i++)
        {
            var node = map.Nodes[i];
            if (node.Id != _context.Self)
            {
                if (!_peers.TryGetValue(node.Id, out var peer))
                {
                    peer = new PeerCalls(node.Id, connect(new PeerEndpoint(node.Id, node.Address)));
                    _peers[node.Id] = peer;
                }

                peers[i] = peer;
            }
        }

        foreach (var gone in _peers.Keys.Where(id => map.IndexOf(id) < 0).ToArray())
        {
            _peers.Remove(gone);
        }

        var self = map.IndexOf(_context.Self);
        var skipped = ShardMap.Number(map.Epoch) > ShardMap.Number(old.Epoch) + 1;
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                var pulled = shard.Pulling;
                shard.Adopt(map, self, skipped, now);
                _copying.OnAdopted(pulled, shard);
            }

            _context.Soon.Set(shard.Number);
        }

        // Shards first: a caller that still routes by the old table meets an owner that already knows better, never the reverse.
        _context.View = new RegionView(map, self, peers);
        _remote.OnAdopted();
        _context.ChangeCopies();
    }

    /// <summary>A peer spoke, under an epoch of its own: whoever has the older table gets the newer, without the store.</summary>
    public void OnHeard(IPeerLink link, ulong epoch)
    {
        var view = _context.View;
        view.Peer(link.Peer.Incarnation)?.OnFrame();
        if (epoch != view.Map.Epoch)
        {
            _context.Reconcile(link, epoch);
        }
    }

    /// <summary>A frame of the shard region. Any thread; frames of one link and lane one after another.</summary>
    /// <returns>What was wrong with it.</returns>
    public PeerFrameError OnFrame(IPeerLink link, in PeerFrameHeader header, ReadOnlySpan<byte> frame)
    {
        OnHeard(link, header.Epoch);
        if (header.Shard >= _shards.Length)
        {
            return PeerFrameError.CountTooLarge;
        }

        var shard = _shards[header.Shard];
        switch (header.Type)
        {
            case PeerFrameType.GetOrAssign or PeerFrameType.Reassign:
                var error = PeerLookup.TryRead(frame, header.Type, out var lookup);
                if (error == PeerFrameError.None && _context.ShardOf(lookup.H) == header.Shard)
                {
                    ShardCalls.Answer(shard, _context, link, header, lookup);
                }

                return error;
            case PeerFrameType.Reply:
                return OnReply(shard, link, header, frame);
            case PeerFrameType.TableRequest:
                _context.SendTable(link);
                return PeerFrameError.None;
            default:
                return OnShardFrame(shard, link, header, frame);
        }
    }

    /// <summary>Time passes: at least every 50 ms, every 5 ms while there is something to do.</summary>
    public void Tick()
    {
        var now = _context.Clock.Milliseconds;
        var view = _context.View;
        Serve(_context.Soon, view, now);
        if (now - _laterAt >= LaterMilliseconds)
        {
            _laterAt = now;
            Serve(_context.Later, view, now);
            Visit(view, now);
        }

        _remote.Tick(now);
        _context.TellCopies();
    }

    /// <summary>Which shards this node holds a complete copy of as replica or newcomer.</summary>
    public void ReadyCopies(Span<bool> ready, out ulong epoch)
    {
        epoch = _context.View.Map.Epoch;
        for (var i = 0; i < _shards.Length; i++)
        {
            lock (_shards[i].Gate)
            {
                ready[i] = _shards[i].IsCopy && _shards[i].Synced && _shards[i].Epoch == epoch;
            }
        }
    }

    /// <summary>A shard given away still waits for its heir.</summary>
    public bool HasHandOffs()
    {
        foreach (var shard in _shards)
        {
            if (shard.Seal is not null)
            {
                return true;
            }
        }

        return false;
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
                shard.Store.Table.Dispose();
            }
        }
    }

    private bool Call(
        PeerFrameType type, PeerCallFlags flags, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter,
        ulong ticket, out StickyAnswer answer)
    {
        var shard = _shards[_context.ShardOf(h)];
        lock (shard.Gate)
        {
            if (shard.Serves)
            {
                var result = ShardCalls.Execute(shard, _context, type, flags, h, expected, proposals, provisional: true);
                answer = new StickyAnswer(result.Backend, StickyOutcome.Local, result.Status == LookupStatus.Assigned);
                return true;
            }
        }

        return _remote.Begin(type, flags, h, expected, proposals, waiter, ticket, out answer);
    }

    private PeerFrameError OnReply(RegionShard shard, IPeerLink link, in PeerFrameHeader header, ReadOnlySpan<byte> frame)
    {
        var error = PeerReply.TryRead(frame, out var reply);
        if (error != PeerFrameError.None)
        {
            return error;
        }

        if ((header.CallFlags & PeerCallFlags.Learn) == PeerCallFlags.None)
        {
            var isLate = !_remote.OnReply(link, header, reply);
            if (isLate && (reply.Status is PeerStatus.Ok or PeerStatus.New) && (header.CallFlags & PeerCallFlags.Hedge) == PeerCallFlags.None)
            {
                lock (shard.Gate)
                {
                    _learning.OnLateReply(shard, _context.Clock.Milliseconds);
                }
            }

            return error;
        }

        lock (shard.Gate)
        {
            _learning.OnLearnReply(shard, header, reply);
        }

        return error;
    }

    private PeerFrameError OnShardFrame(RegionShard shard, IPeerLink link, in PeerFrameHeader header, ReadOnlySpan<byte> frame)
    {
        var now = _context.Clock.Milliseconds;
        var error = PeerFrameError.None;
        if (header.Type == PeerFrameType.SnapshotRequest)
        {
            error = PeerMark.TryRead(frame, out var request);
            if (error == PeerFrameError.None)
            {
                _copying.OnSnapshotRequest(shard, link, header, request, now);
            }

            return error;
        }

        lock (shard.Gate)
        {
            switch (header.Type)
            {
                case PeerFrameType.Touch when (error = PeerEntries.TryRead(frame, out var touched)) == PeerFrameError.None:
                    _learning.OnTouch(shard, header, touched, now);
                    break;
                case PeerFrameType.Learn when (error = PeerEntries.TryRead(frame, out var learned)) == PeerFrameError.None:
                    _learning.OnLearn(shard, link, header, learned, now);
                    break;
                case PeerFrameType.Replicate when (error = PeerReplicate.TryRead(frame, out var replicate)) == PeerFrameError.None:
                    _copying.OnReplicate(shard, link, header, replicate, now);
                    break;
                case PeerFrameType.Ack when (error = PeerMark.TryRead(frame, out var ack)) == PeerFrameError.None:
                    _copying.OnAck(shard, link, header, ack, now);
                    break;
                case PeerFrameType.Chunk when (error = PeerChunk.TryRead(frame, out var chunk)) == PeerFrameError.None:
                    _copying.OnChunk(shard, link, header, chunk, now);
                    break;
                case PeerFrameType.Seal when (error = PeerMark.TryRead(frame, out var seal)) == PeerFrameError.None:
                    _copying.OnSeal(shard, link, header, seal);
                    break;
                case PeerFrameType.Digest when (error = PeerDigest.TryRead(frame, out var digest)) == PeerFrameError.None:
                    _copying.OnDigest(shard, link, header, digest, now);
                    break;
                default:
                    error = error == PeerFrameError.None ? PeerFrameError.UnknownType : error;
                    break;
            }
        }

        return error;
    }

    private void Serve(ShardBits bits, RegionView view, long now)
    {
        for (var word = 0; word < bits.Words; word++)
        {
            for (var taken = bits.Take(word); taken != 0;)
            {
                Serve(_shards[ShardBits.Next(ref taken, word)], view, now);
            }
        }
    }

    private void Serve(RegionShard shard, RegionView view, long now)
    {
        lock (shard.Gate)
        {
            var soon = false;
            if (shard.AwaitsSeal)
            {
                soon = now < shard.SealDeadline;
                if (!soon)
                {
                    _context.Counters.CountUnsealed();
                    shard.Serve();
                }
            }

            soon |= shard.Seal is not null && _copying.ServeSeal(shard, view, now);
            var later = shard.Serves ? _copying.ServeCopies(shard, view, now) : shard.IsCopy && _copying.Pull(shard, view, now);
            later |= _learning.Tell(shard, view, now);

            // The next question to the owner is due before the next slow turn.
            soon |= shard.Pulling && shard.PullAt > now && shard.PullAt - now < LaterMilliseconds;
            if (shard.Serves && shard.Store.Log.Last > Sent(shard))
            {
                // What was just learned goes out with the next round.
                later = true;
            }

            if (soon)
            {
                _context.Soon.Set(shard.Number);
            }
            else if (later)
            {
                _context.Later.Set(shard.Number);
            }
        }
    }

    private static ulong Sent(RegionShard shard) => shard.ReplicaTarget is { Streams: true } target ? target.Sent : ulong.MaxValue;

    /// <summary>Every shard's turn once in the digest's time: expired entries, signs of life, comparison with the copy.</summary>
    private void Visit(RegionView view, long now)
    {
        var due = (now - _visitedAt) * _shards.Length / _context.RoundMilliseconds;
        if (due <= 0)
        {
            return;
        }

        _visitedAt = now;
        for (var n = Math.Min(due, _shards.Length); n > 0; n--)
        {
            var shard = _shards[_visitNext];
            _visitNext = (_visitNext + 1) % _shards.Length;
            lock (shard.Gate)
            {
                if (now >= shard.LiveTouchAt)
                {
                    _learning.TouchAll(shard, view, now);
                }

                if (shard.Serves)
                {
                    shard.Store.Sweep(0, int.MaxValue, _context.Rules.LogOps / 2, _context.Clock.Ticks);
                    _copying.SendDigests(shard, view);
                    _context.Later.Set(shard.Number);
                }
            }
        }
    }
}
