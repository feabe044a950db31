using System.Buffers.Binary;
using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>
/// The shard coordinator: elected by creating a key, it shows the watchers a tick and writes the table. Every write is conditional on
/// still holding the key and on the table it was derived from, so a coordinator that does not know yet that it lost changes nothing.
/// </summary>
internal sealed class CoordinatorRole(
    ClusterSettings settings, StoreView view, StoreCalls calls, Registration registration, Action<ShardMap, long> adopt)
{
    /// <summary>A slow copy holds the others up for no longer.</summary>
    private const long PatienceMilliseconds = 500;

    private readonly StoreErrand _seatErrand = new();
    private readonly StoreErrand _tickErrand = new();
    private readonly StoreErrand _tableErrand = new();
    private readonly Dictionary<PeerId, long> _absent = [];
    private readonly HashSet<PeerId> _gone = [];
    private readonly Dictionary<PeerId, (ulong Epoch, bool[] Shards)> _ready = [];
    private long _counter;
    private long _nextTick;
    private long? _planningSince;
    private ulong _attempted;
    private ulong _written;
    private long _tableAt = long.MinValue / 2;
    private long _restoredAt = long.MinValue / 2;

    // Reckoning the wish for 4,096 shards takes milliseconds, and a plan is asked for at every turn: neither is done again for what is known.
    private ImmutableArray<Member> _wishOf;
    private ShardSeats[]? _wish;
    private (ShardMap Map, ImmutableArray<Member> Members, ulong Highest)? _atRest;

    /// <summary>Holds the key under its present lease, as far as this node knows.</summary>
    public bool IsHolder =>
        registration.IsRegistered && view.Coordinator?.Id == settings.Self && view.Entry(StoreKeys.Coordinator)!.Lease == registration.Lease;

    /// <summary>The node's key was deleted: its lease ran out or was revoked. No doubt, so no grace.</summary>
    public void OnGone(PeerId id) => _gone.Add(id);

    /// <summary>The store was wiped or set back: until the nodes have said which tables they know, none is written over them.</summary>
    public void OnRestored(long now) => _restoredAt = now;

    public void OnReady(PeerId id, ulong epoch, ReadOnlySpan<bool> shards)
    {
        if (!_ready.TryGetValue(id, out var known) || known.Epoch != epoch || !shards.SequenceEqual(known.Shards))
        {
            _ready[id] = (epoch, shards.ToArray());
            _atRest = null;
        }
    }

    public void Reconcile(long now, ShardMap current)
    {
        if (!view.IsCurrent || !registration.IsRegistered)
        {
            return;
        }

        if (!IsHolder)
        {
            Stand(now);
            return;
        }

        if (now >= _nextTick && _tickErrand.IsDue(now))
        {
            var value = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(value, ++_counter);
            Commit(_tickErrand, now, [], StoreWrite.Put(StoreKeys.Tick, value), (_, then) => _nextTick = then + settings.TickMilliseconds);
        }

        if (_written != 0 && view.Table?.Epoch >= _written)
        {
            _written = 0;
            _tableErrand.NotBefore = 0;
        }

        if (_tableErrand.IsDue(now))
        {
            Plan(now, current);
        }
    }

    private void Stand(long now)
    {
        if (!_seatErrand.IsDue(now))
        {
            return;
        }

        var entry = view.Entry(StoreKeys.Coordinator);
        var seat = StoreWrite.Put(
            StoreKeys.Coordinator, StoreJson.Write(new CoordinatorSeat(settings.Self.Name, settings.Self.Incarnation)), registration.Lease);

        // The own key of an earlier lease, or one that no lease will ever remove.
        var takeOver = entry is not null && (view.Coordinator?.Id == settings.Self || entry.Lease == 0);
        if (entry is null || takeOver)
        {
            var condition = entry is null
                ? StoreCompare.Absent(StoreKeys.Coordinator)
                : StoreCompare.Unchanged(StoreKeys.Coordinator, entry.ModRevision);
            calls.Issue(_seatErrand, now, StoreCallKind.Commit, 0, new StoreTransaction([condition], [seat]), (reply, then) =>
            {
                _seatErrand.NotBefore = then + settings.RetryMilliseconds;
                view.IsCurrent &= !reply.LeavesDoubt;
            });
        }
    }

    private void Plan(long now, ShardMap current)
    {
        _planningSince ??= now;
        if (current.Epoch == 0 && view.Members.All(m => m.MaxEpoch == 0) && now - _planningSince < settings.FirstTableMilliseconds)
        {
            return;
        }

        if (now - _restoredAt < settings.FirstTableMilliseconds)
        {
            return;
        }

        var kept = Kept(now, current);
        var highest = Math.Max(Math.Max(_attempted, current.Epoch), view.Members.Max(m => m.MaxEpoch));
        if (view.Table?.Epoch != current.Epoch)
        {
            // The store lost the table in force, or never had one.
            highest = Math.Max(highest, current.Epoch + 1);
        }

        var members = view.Members;
        if (_atRest == (current, members, highest))
        {
            return;
        }

        if (_wish is null || _wishOf != members)
        {
            _wishOf = members;
            _wish = Placement.Wish(members, settings.ShardCount);
        }

        bool Ready(PeerId id, int shard) =>
            _ready.TryGetValue(id, out var report) && report.Epoch == current.Epoch && shard < report.Shards.Length && report.Shards[shard];
        var patient = now - _tableAt < PatienceMilliseconds;
        var next = MovePlan.Next(current, members, kept, Ready, patient, settings.ShardCount, highest, settings.Self.Incarnation, _wish);
        if (next is null)
        {
            _atRest = patient || kept.Count > 0 ? null : (current, members, highest);
            return;
        }

        _tableAt = now;
        _attempted = Math.Max(_attempted, next.Epoch);
        var condition = StoreCompare.Unchanged(StoreKeys.Table, view.ModRevision(StoreKeys.Table));
        Commit(_tableErrand, now, [condition], StoreWrite.Put(StoreKeys.Table, next.Encode()), (reply, then) =>
        {
            _tableErrand.NotBefore = then + settings.RetryMilliseconds;
            if (reply.IsOk && reply.Commit.Succeeded)
            {
                // Until the watch has shown the write, a second one could only fail on the revision.
                _written = next.Epoch;
                adopt(next, then);
            }
            else
            {
                view.IsCurrent &= !reply.LeavesDoubt;
            }
        });
    }

    /// <summary>
    /// Nodes of the table that are missing from the store for a reason other than their end: it was wiped or restored, and they will
    /// register again, each within its lease's life.
    /// </summary>
    private HashSet<PeerId> Kept(long now, ShardMap current)
    {
        var kept = new HashSet<PeerId>();
        foreach (var node in current.Nodes)
        {
            if (view.IsRegistered(node.Id))
            {
                _absent.Remove(node.Id);
                _gone.Remove(node.Id);
                continue;
            }

            var replaced = view.Member(node.Id.Name) is not null;
            if (replaced || _gone.Contains(node.Id))
            {
                continue;
            }

            _absent.TryAdd(node.Id, now);
            if (now - _absent[node.Id] < settings.GraceMilliseconds)
            {
                kept.Add(node.Id);
            }
        }

        return kept;
    }

    private void Commit(
        StoreErrand errand, long now, ImmutableArray<StoreCompare> conditions, StoreWrite write, Action<StoreReply, long> handler)
    {
        var holds = StoreCompare.Created(StoreKeys.Coordinator, view.Entry(StoreKeys.Coordinator)!.CreateRevision);
        calls.Issue(errand, now, StoreCallKind.Commit, 0, new StoreTransaction([holds, .. conditions], [write]), handler);
    }
}
