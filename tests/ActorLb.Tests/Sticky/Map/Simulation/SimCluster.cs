using ActorLb.Hosting;
using ActorLb.Sticky.Map;
using Placement = ActorLb.Sticky.Map.Placement;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>
/// What Akka does, as far as the map sees it: who is a member and reachable, and on which of them the actor of each shard runs. One
/// cluster that goes on in whatever part most members see each other; who is cut off from it keeps its actors for a while, as the side
/// of a split that will be downed does, and then has no fleet until it joins again.
/// </summary>
internal sealed class SimCluster(SimWorld world, SimNetwork network, Variant variant)
{
    private const int MaxHandOffs = 3;

    private readonly List<Member> _members = [];
    private readonly Member?[] _allocated = new Member?[Simulation.Shards];
    private readonly HashSet<int> _handingOff = [];

    public bool IsSettled => _members.TrueForAll(m => m.IsReachable && !m.IsLeaving && m.Node.IsAlive) && _handingOff.Count == 0
        && _allocated.All(m => m is not null);

    public bool IsMember(SimNode node) => _members.Exists(m => m.Node == node);

    /// <summary>The process starts a fleet system and joins, or forms when nobody is there.</summary>
    public void Join(SimNode node)
    {
        if (!node.IsAlive || IsMember(node))
        {
            return;
        }

        var authority = Authority();
        if (authority is not null && !network.IsOpen(authority.Node, node))
        {
            world.In(200, () => Join(node));
            return;
        }

        foreach (var old in _members.Where(m => m.Id.Name == node.Name).ToArray())
        {
            Remove(old);
        }

        Detach(node);
        node.Id = new PeerId(node.Name, (ulong)world.Random.NextInt64() + 1);
        _members.Add(new Member(node, node.Id));
        world.Note($"{node} joins");
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
        !_allocated.Any(m => m?.Node == node) && node.Actors.Count == 0 && !node.Map.Shards.ToArray().Any(s => s.MustOffer);

    /// <summary>The fleet system of a process ends and a new one joins; the process and its connections go on.</summary>
    public void Restart(SimNode node)
    {
        foreach (var member in _members.Where(m => m.Node == node).ToArray())
        {
            Remove(member);
        }

        Detach(node);
        world.In(world.Random.Next(50, 600), () => Join(node));
        Publish();
    }

    /// <summary>A cluster of its own, while it is cut off from the others.</summary>
    public void FormAlone(SimNode node)
    {
        if (!node.Runs || IsMember(node) || node.IsMember)
        {
            return;
        }

        world.Note($"{node} forms a fleet alone");
        node.Id = new PeerId(node.Name, (ulong)world.Random.NextInt64() + 1);
        node.Map.SetMembers(new MapMembers(node.Id, [new MapMember(node.Id, node.Zone)]));
        for (var shard = 0; shard < Simulation.Shards; shard++)
        {
            StartActor(node, node.Id, shard);
        }
    }

    /// <summary>An actor fails and is started again.</summary>
    public void FailActor(int shard)
    {
        if (_allocated[shard] is { } member && member.Node.Runs && !_handingOff.Contains(shard))
        {
            member.Node.Actors.Remove(shard);
            member.Node.Map.Close(shard);
            _allocated[shard] = null;
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
        Allocate();
        Rebalance();
        world.In(100, Loop);
    }

    public void Watch(SimNode node)
    {
        node.Map.ShardSealed += shard => world.In(world.Random.Next(1, 20), () => OnSealed(node, shard));
        node.Map.ShardDeposed += shard =>
        {
            node.Actors.Remove(shard);
            node.Map.Close(shard);
            if (_allocated[shard]?.Node == node)
            {
                _allocated[shard] = null;
            }
        };
    }

    private bool IsConnected(Member a, Member b) => a == b || (a.Node.Runs && b.Node.Runs && network.IsOpen(a.Node, b.Node));

    /// <summary>The member that sees most others; of those the oldest.</summary>
    private Member? Authority() =>
        _members.Where(m => m.Node.Runs).MaxBy(m => (_members.Count(o => IsConnected(m, o)), -_members.IndexOf(m)));

    private void Detect()
    {
        var authority = Authority();
        var changed = false;
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

            member.LostSince = member.LostSince < 0 ? world.Now : member.LostSince;
            var lost = world.Now - member.LostSince;
            changed |= member.IsReachable && lost >= member.UnreachableAfter;
            member.IsReachable &= lost < member.UnreachableAfter;
            if (lost >= member.DownAfter || (member.HasGivenUp && IsConnected(authority!, member)))
            {
                world.Note($"{member.Node} is removed");
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

    /// <summary>Gone for good; the process may not know yet.</summary>
    private void Remove(Member member)
    {
        _members.Remove(member);
        for (var shard = 0; shard < _allocated.Length; shard++)
        {
            if (_allocated[shard] == member)
            {
                _allocated[shard] = null;
                _handingOff.Remove(shard);
            }
        }

        if (!member.Node.IsAlive)
        {
            return;
        }

        // The side that is cut off: it hears of it when it is connected again, or gives up by itself, whichever comes first.
        var until = world.Now + world.Random.Next(0, 2500);
        void Look()
        {
            if (!member.Node.IsAlive || member.Node.Id != member.Id)
            {
                return;
            }

            if (world.Now < until && (Authority() is not { } authority || !network.IsOpen(authority.Node, member.Node)))
            {
                world.In(50, Look);
                return;
            }

            Detach(member.Node);
            if (world.Chance(0.3))
            {
                world.In(500, () => FormAlone(member.Node));
            }

            Rejoin(member.Node);
        }

        world.In(50, () => member.Node.Do(Look));
    }

    private void Rejoin(SimNode node) => world.In(world.Random.Next(100, 900), () =>
    {
        if (!node.IsAlive || IsMember(node) || node.IsStalled || Authority() is { } a && !network.IsOpen(a.Node, node))
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
            world.Note($"{node} is in no fleet");
        }

        node.Actors.Clear();
        if (node.IsMember)
        {
            node.Map.SetMembers(null);
        }
    });

    /// <summary>Everybody who is connected hears of the members, each a little later; the others see nobody.</summary>
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
            var at = Math.Max(world.Now + world.Random.Next(1, 60), member.HearsAt);
            member.HearsAt = at;
            world.At(at, () => member.Node.Do(() =>
            {
                if (member.Node.Id == member.Id && _members.Contains(member))
                {
                    member.Node.Map.SetMembers(new MapMembers(member.Id, all));
                }
            }));
        }
    }

    private void Allocate()
    {
        if (Authority() is not { } authority || authority.Node.Map.Members is not { } view)
        {
            return;
        }

        var wished = Placement.Owners(view.Reachable(), Simulation.Shards);
        for (var shard = 0; shard < _allocated.Length; shard++)
        {
            if (_allocated[shard] is not null)
            {
                continue;
            }

            var known = authority.Node.Map.Directory[shard];
            var choice = ((PeerId?[])[known is { ReplicaIsComplete: true } ? known.Replica : null, known is { NextIsComplete: true } ? known.Next : null, wished[shard]])
                .Select(id => _members.Find(m => m.Id == id && m.IsReachable)).FirstOrDefault(m => m is not null);
            if (choice is not null)
            {
                _allocated[shard] = choice;
                var number = shard;
                world.In(world.Random.Next(1, 40), () => StartActor(choice.Node, choice.Id, number));
            }
        }
    }

    private void Rebalance()
    {
        if (Authority() is not { } authority || authority.Node.Map.Members is not { } view || !view.AreAllReachable
            || !_members.TrueForAll(m => m.IsReachable))
        {
            return;
        }

        var wished = Placement.Owners(view, Simulation.Shards);
        for (var shard = 0; shard < _allocated.Length && _handingOff.Count < MaxHandOffs; shard++)
        {
            if (_allocated[shard] is { } owner && wished[shard] is { } to && owner.Id != to && !_handingOff.Contains(shard)
                && owner.Node.Actors.Contains(shard) && authority.Node.Map.Directory.IsCompleteAt(shard, to) && _members.Exists(m => m.Id == to))
            {
                _handingOff.Add(shard);
                var number = shard;
                world.In(world.Random.Next(1, 40), () => owner.Node.Do(() => StopActor(owner, number)));
            }
        }
    }

    private void StartActor(SimNode node, PeerId id, int shard) => node.Do(() =>
    {
        if (node.Id == id && node.IsMember)
        {
            node.Actors.Add(shard);
            node.Map.BeginOpen(shard);
        }
        else if (_allocated[shard]?.Id == id)
        {
            // It has not heard that it is a member yet: asked again.
            world.In(50, () => StartActor(node, id, shard));
        }
    });

    private void StopActor(Member owner, int shard)
    {
        if (owner.Node.Id != owner.Id || !owner.Node.Actors.Contains(shard))
        {
            return;
        }

        if (variant == Variant.ServesWithoutActor)
        {
            OnSealed(owner.Node, shard);
            return;
        }

        owner.Node.Map.BeginSeal(shard);
    }

    private void OnSealed(SimNode node, int shard)
    {
        if (!node.Actors.Contains(shard) || _allocated[shard]?.Node != node || !_handingOff.Contains(shard))
        {
            return;
        }

        node.Actors.Remove(shard);
        if (variant != Variant.ServesWithoutActor)
        {
            node.Map.Close(shard);
        }

        _handingOff.Remove(shard);
        _allocated[shard] = null;
        Allocate(shard);
    }

    /// <summary>Where the strategy wanted it.</summary>
    private void Allocate(int shard)
    {
        if (Authority()?.Node.Map is { Members: { } view } map && Placement.Owners(view, Simulation.Shards)[shard] is { } to
            && map.Directory.IsCompleteAt(shard, to) && _members.Find(m => m.Id == to && m.IsReachable) is { } member)
        {
            _allocated[shard] = member;
            world.In(world.Random.Next(1, 40), () => StartActor(member.Node, member.Id, shard));
        }
    }

    private sealed class Member(SimNode node, PeerId id)
    {
        public SimNode Node => node;

        public PeerId Id => id;

        public bool IsLeaving { get; set; }

        public bool IsReachable { get; set; } = true;

        /// <summary>As it was told last.</summary>
        public bool WasConnected { get; set; } = true;

        public long LostSince { get; set; } = -1;

        public long HearsAt { get; set; }

        /// <summary>It saw nobody for so long that it is in no fleet any more, whether the others have noticed or not.</summary>
        public bool HasGivenUp { get; set; }

        public long UnreachableAfter { get; } = 300 + (long)(id.Incarnation % 400);

        public long DownAfter { get; } = 1200 + (long)(id.Incarnation % 1000);

        public long AloneAfter { get; } = 1000 + (long)(id.Incarnation / 7 % 2500);
    }
}
