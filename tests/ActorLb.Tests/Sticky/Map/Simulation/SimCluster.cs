using ActorLb.Hosting;
using ActorLb.Sticky.Map;
using Placement = ActorLb.Sticky.Map.Placement;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>
/// Akka's part, as far as the map sees it: which nodes are members and reachable, and where the actor of each shard runs. There
/// is one cluster, which continues on the side where most members see each other. A node cut off from it keeps its actors for a
/// while, like the side of a split that will be downed, and then has no fleet until it rejoins.
/// </summary>
internal sealed class SimCluster
{
    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private readonly List<SimMember> _members = [];

    public SimCluster(SimWorld world, SimNetwork network, Variant variant)
    {
        _world = world;
        _network = network;
        Shards = new SimShards(world, _members, Authority, variant);
    }

    public SimShards Shards { get; }

    public bool IsSettled => _members.TrueForAll(m => m.IsReachable && !m.IsLeaving && m.Node.IsAlive) && Shards.IsSettled;

    public bool IsMember(SimNode node) => _members.Exists(m => m.Node == node);

    /// <summary>The process starts a fleet system and joins, or forms a cluster if there is none.</summary>
    public void Join(SimNode node)
    {
        if (!node.IsAlive || IsMember(node))
        {
            return;
        }

        var authority = Authority();
        if (authority is not null && !_network.IsOpen(authority.Node, node))
        {
            _world.In(200, () => Join(node));
            return;
        }

        foreach (var old in _members.Where(m => m.Id.Name == node.Name).ToArray())
        {
            Remove(old);
        }

        Detach(node);
        node.Id = new MemberId(node.Name, (ulong)_world.Random.NextInt64() + 1);
        _members.Add(new SimMember(node, node.Id));
        _world.Note($"{node} joins");
        Publish();
    }

    public void Leave(SimNode node)
    {
        foreach (var member in _members.Where(m => m.Node == node))
        {
            member.IsLeaving = true;
        }

        Publish();
    }

    public bool HasLeft(SimNode node) =>
        !Shards.Has(node) && node.Actors.Count == 0 && !node.Map.Shards.ToArray().Any(s => s.MustOffer);

    /// <summary>The fleet system of a process ends and a new one joins; the process and its connections stay.</summary>
    public void Restart(SimNode node)
    {
        foreach (var member in _members.Where(m => m.Node == node).ToArray())
        {
            Remove(member);
        }

        Detach(node);
        _world.In(_world.Random.Next(50, 600), () => Join(node));
        Publish();
    }

    /// <summary>Forms a separate cluster while the node is cut off from the others.</summary>
    public void FormAlone(SimNode node)
    {
        if (!node.Runs || IsMember(node) || node.IsMember)
        {
            return;
        }

        _world.Note($"{node} forms a fleet alone");
        node.Id = new MemberId(node.Name, (ulong)_world.Random.NextInt64() + 1);
        node.Map.SetMembers(new MapMembers(node.Id, [new MapMember(node.Id, node.Zone)]));
        for (int shard = 0; shard < Simulation.Shards; shard++)
        {
            Shards.StartActor(node, node.Id, shard);
        }
    }

    public void Remove(SimNode node)
    {
        foreach (var member in _members.Where(m => m.Node == node).ToArray())
        {
            Remove(member);
        }

        Publish();
    }

    /// <summary>Failure detection, downing, allocation: ten times a second.</summary>
    public void Loop()
    {
        Detect();
        Shards.Allocate();
        Shards.Rebalance();
        _world.In(100, Loop);
    }

    private bool IsConnected(SimMember a, SimMember b) => a == b || (a.Node.Runs && b.Node.Runs && _network.IsOpen(a.Node, b.Node));

    /// <summary>The member that sees the most others; if several do, the oldest.</summary>
    private SimMember? Authority() =>
        _members.Where(m => m.Node.Runs).MaxBy(m => (_members.Count(o => IsConnected(m, o)), -_members.IndexOf(m)));

    private void Detect()
    {
        var authority = Authority();
        bool changed = false;
        foreach (var member in _members.ToArray().TakeWhile(_ => authority is not null))
        {
            changed |= member.WasConnected != IsConnected(authority!, member);
            if (IsConnected(authority!, member) && !member.HasGivenUp)
            {
                member.LostSince = -1;
                changed |= !member.IsReachable;
                member.IsReachable = true;
                continue;
            }

            member.LostSince = member.LostSince < 0 ? _world.Now : member.LostSince;
            long lost = _world.Now - member.LostSince;
            changed |= member.IsReachable && lost >= member.UnreachableAfter;
            member.IsReachable &= lost < member.UnreachableAfter;
            if (lost >= member.DownAfter || (member.HasGivenUp && IsConnected(authority!, member)))
            {
                _world.Note($"{member.Node} is removed");
                changed = true;
                Remove(member);
            }

            if (member.Node.Runs && lost >= member.AloneAfter && member.Node.Id == member.Id && !member.HasGivenUp)
            {
                member.HasGivenUp = true;
                Detach(member.Node);
            }
        }

        if (changed)
        {
            Publish();
        }
    }

    /// <summary>Removes a member for good; its process may not know yet.</summary>
    private void Remove(SimMember member)
    {
        _members.Remove(member);
        Shards.Forget(member);

        if (!member.Node.IsAlive)
        {
            return;
        }

        // The side that is cut off learns of its removal when the link is back, or gives up by itself, whichever comes first.
        long until = _world.Now + _world.Random.Next(0, 2500);
        void Look()
        {
            if (!member.Node.IsAlive || member.Node.Id != member.Id)
            {
                return;
            }

            if (_world.Now < until && (Authority() is not { } authority || !_network.IsOpen(authority.Node, member.Node)))
            {
                _world.In(50, Look);
                return;
            }

            Detach(member.Node);
            if (_world.Chance(0.3))
            {
                _world.In(500, () => FormAlone(member.Node));
            }

            Rejoin(member.Node);
        }

        _world.In(50, () => member.Node.Do(Look));
    }

    private void Rejoin(SimNode node) => _world.In(_world.Random.Next(100, 900), () =>
    {
        if (!node.IsAlive || IsMember(node) || node.IsStalled || Authority() is { } a && !_network.IsOpen(a.Node, node))
        {
            if (node.IsAlive && !IsMember(node))
            {
                Rejoin(node);
            }

            return;
        }

        Detach(node);
        Join(node);
    });

    private void Detach(SimNode node) => node.Do(() =>
    {
        if (node.IsMember)
        {
            _world.Note($"{node} is in no fleet");
        }

        node.Actors.Clear();
        if (node.IsMember)
        {
            node.Map.SetMembers(null);
        }
    });

    /// <summary>Connected nodes learn the members after small delays; the others see none.</summary>
    private void Publish()
    {
        var authority = Authority();
        foreach (var member in _members.ToArray())
        {
            member.WasConnected = authority is null || IsConnected(authority, member);
            var all = _members.Select(m => new MapMember(m.Id, m.Node.Zone)
            {
                IsLeaving = m.IsLeaving,
                IsReachable = m == member || (m.IsReachable && member.WasConnected),
            }).ToArray();
            long at = Math.Max(_world.Now + _world.Random.Next(1, 60), member.HearsAt);
            member.HearsAt = at;
            _world.At(at, () => member.Node.Do(() =>
            {
                if (member.Node.Id == member.Id && _members.Contains(member))
                {
                    member.Node.Map.SetMembers(new MapMembers(member.Id, all));
                }
            }));
        }
    }
}
