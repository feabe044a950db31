using System.Buffers.Binary;
using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>
/// Keeps this node's lease alive and its name registered under it. A name belongs to one process at a time: a new run takes it over
/// from an old one only when nothing answers at the old address, and the process that finds its name taken stops.
/// </summary>
internal sealed class Registration(ClusterSettings settings, StoreView view, StoreCalls calls, List<ClusterEffect> effects)
{
    private readonly StoreErrand _leaseErrand = new();
    private readonly StoreErrand _nodeErrand = new();
    private readonly string _key = StoreKeys.Node(settings.Self.Name);
    private long _nextKeepAlive;
    private bool _wasRegistered;
    private long _ownRevision;
    private long _nextProbe;
    private PeerId? _reachable;
    private PeerId? _unreachable;
    private PeerId? _announced;

    /// <summary>0 while there is none.</summary>
    public long Lease { get; private set; }

    /// <summary>The store shows this run under the name, held by the present lease.</summary>
    public bool IsRegistered => Lease != 0 && view.IsRegistered(settings.Self) && view.Entry(_key)!.Lease == Lease;

    /// <summary>The registration says that the node leaves.</summary>
    public bool IsLeavingKnown => IsRegistered && view.Member(settings.Self.Name)!.Leaving;

    public bool IsLeaving { get; set; }

    /// <summary>Why this node must stop, or null.</summary>
    public string? Displaced { get; private set; }

    public void Reconcile(long now, ulong maxEpoch)
    {
        if (_leaseErrand.IsDue(now))
        {
            if (Lease == 0)
            {
                calls.Issue(_leaseErrand, now, StoreCallKind.Grant, 0, null, OnGranted);
            }
            else if (now >= _nextKeepAlive)
            {
                calls.Issue(_leaseErrand, now, StoreCallKind.KeepAlive, Lease, null, OnKeptAlive);
            }
        }

        if (view.IsCurrent)
        {
            Register(now, maxEpoch);
        }
    }

    public void OnProbed(PeerId peer, bool reachable)
    {
        _reachable = reachable ? peer : null;
        _unreachable = reachable ? null : peer;
    }

    private void Register(long now, ulong maxEpoch)
    {
        var entry = view.Entry(_key);
        var member = view.Member(settings.Self.Name);
        if (view.Entry(StoreKeys.Downs + settings.Self.Name) is { } down && IsMine(down))
        {
            Displaced = $"an operator declared {settings.Self.Name} down; start it again to rejoin";
            return;
        }

        // A store that was restored may show an earlier run of the name, which is no take-over: a take-over is younger than what it
        // replaced. Where revisions began anew, whoever lives under the name has it.
        var isAnothers = member is not null && member.Incarnation != settings.Self.Incarnation;
        if (isAnothers && _wasRegistered && (entry!.ModRevision > _ownRevision || _reachable == member!.Id))
        {
            Displaced = $"another process at {member!.Address} took over the node name {settings.Self.Name}";
            return;
        }

        if (!_nodeErrand.IsDue(now) || Lease == 0)
        {
            return;
        }

        // What the store cannot know by itself: an epoch above its table's, after it was wiped or restored.
        var behind = view.Table is null || view.Table.Epoch < maxEpoch;
        var known = member is not null && member.Incarnation == settings.Self.Incarnation ? member.MaxEpoch : 0;
        var wanted = new Member(
            settings.Self.Name, settings.Self.Incarnation, settings.Address, settings.Zone, settings.Weight,
            behind ? Math.Max(known, maxEpoch) : known, IsLeaving);
        if (entry is null)
        {
            Put(now, StoreCompare.Absent(_key), wanted);
        }
        else if (member is null || member.Incarnation == settings.Self.Incarnation)
        {
            if (member != wanted || entry.Lease != Lease)
            {
                Put(now, StoreCompare.Unchanged(_key, entry.ModRevision), wanted);
            }
            else
            {
                _wasRegistered = true;
                _ownRevision = entry.ModRevision;
            }
        }
        else if (_unreachable == member.Id)
        {
            Put(now, StoreCompare.Unchanged(_key, entry.ModRevision), wanted);
        }
        else if (now >= _nextProbe)
        {
            _nextProbe = now + 1000;
            if (_announced != member.Id)
            {
                _announced = member.Id;
                effects.Add(new Announce(
                    ClusterEventKind.NameTaken, $"the node name {member.Name} is registered by a process at {member.Address}; looking whether it lives"));
            }

            effects.Add(new ProbeAddress(member.Id, member.Address));
        }
    }

    private void Put(long now, StoreCompare condition, Member member)
    {
        var writes = ImmutableArray.CreateBuilder<StoreWrite>();
        writes.Add(StoreWrite.Put(_key, StoreJson.Write(member), Lease));
        foreach (var mark in (ReadOnlySpan<string>)[StoreKeys.Downs, StoreKeys.Leaves])
        {
            // A mark against an earlier run of the name is of no use any more.
            if (view.Entry(mark + settings.Self.Name) is { } entry && !IsMine(entry))
            {
                writes.Add(StoreWrite.Delete(entry.Key));
            }
        }

        calls.Issue(_nodeErrand, now, StoreCallKind.Commit, 0, new StoreTransaction([condition], writes.ToImmutable()), (reply, then) =>
        {
            // Done or not, the watch will show it; until then the same write would only fail. A condition that does not hold says that the
            // picture is an old one: where the store was set back in the middle of a listing, no change would ever correct it.
            _nodeErrand.NotBefore = then + settings.RetryMilliseconds;
            view.IsCurrent &= !reply.LeavesDoubt;
        });
    }

    private bool IsMine(StoreEntry mark) =>
        mark.Value.Length == 8 && BinaryPrimitives.ReadUInt64LittleEndian(mark.Value.Span) == settings.Self.Incarnation;

    private void OnGranted(StoreReply reply, long now)
    {
        if (reply.IsOk)
        {
            Lease = reply.Lease;
            _nextKeepAlive = now + ((long)settings.LeaseTtl.TotalMilliseconds / 3);
            _nodeErrand.NotBefore = now;
        }
    }

    private void OnKeptAlive(StoreReply reply, long now)
    {
        if (!reply.IsOk)
        {
            return;
        }

        _nextKeepAlive = now + ((long)settings.LeaseTtl.TotalMilliseconds / 3);
        if (!reply.Alive)
        {
            Lease = 0;
            effects.Add(new Announce(ClusterEventKind.LeaseLost, "the lease of this node ran out; registering again"));
        }
    }
}
