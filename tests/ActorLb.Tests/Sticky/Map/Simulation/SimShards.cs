using ActorLb.Hosting;
using ActorLb.Sticky.Map;
using Placement = ActorLb.Sticky.Map.Placement;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>Which member runs the actor of each shard: allocated by the coordinator, moved to even them out, lost with its member.</summary>
/// <param name="authority">The member with the coordinator.</param>
internal sealed class SimShards(SimWorld world, List<SimMember> members, Func<SimMember?> authority, Variant variant)
{
    private const int MaxHandOffs = 3;

    private readonly SimMember?[] _allocated = new SimMember?[Simulation.Shards];
    private readonly HashSet<int> _handingOff = [];

    public bool IsSettled => _handingOff.Count == 0 && _allocated.All(m => m is not null);

    public bool Has(SimNode node) => _allocated.Any(m => m?.Node == node);

    /// <summary>An actor fails and is restarted.</summary>
    public void FailActor(int shard)
    {
        if (_allocated[shard] is { } member && member.Node.Runs && !_handingOff.Contains(shard))
        {
            member.Node.Actors.Remove(shard);
            member.Node.Map.Close(shard);
            _allocated[shard] = null;
        }
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

    /// <summary>A member that is gone has none any more.</summary>
    public void Forget(SimMember member)
    {
        for (int shard = 0; shard < _allocated.Length; shard++)
        {
            if (_allocated[shard] == member)
            {
                _allocated[shard] = null;
                _handingOff.Remove(shard);
            }
        }
    }

    public void Allocate()
    {
        if (authority() is not { } first || first.Node.Map.Members is not { } view)
        {
            return;
        }

        var desired = Placement.Owners(view.Reachable(), Simulation.Shards);
        for (int shard = 0; shard < _allocated.Length; shard++)
        {
            if (_allocated[shard] is not null)
            {
                continue;
            }

            var known = first.Node.Map.Directory[shard];
            var choice = ((MemberId?[])[known is { ReplicaIsComplete: true } ? known.Replica : null, known is { NextIsComplete: true } ? known.Next : null, desired[shard]])
                .Select(id => members.Find(m => m.Id == id && m.IsReachable)).FirstOrDefault(m => m is not null);
            if (choice is not null)
            {
                _allocated[shard] = choice;
                int number = shard;
                world.In(world.Random.Next(1, 40), () => StartActor(choice.Node, choice.Id, number));
            }
        }
    }

    public void Rebalance()
    {
        if (authority() is not { } first || first.Node.Map.Members is not { } view || !view.AreAllReachable
            || !members.TrueForAll(m => m.IsReachable))
        {
            return;
        }

        var desired = Placement.Owners(view, Simulation.Shards);
        for (int shard = 0; shard < _allocated.Length && _handingOff.Count < MaxHandOffs; shard++)
        {
            if (_allocated[shard] is { } owner && desired[shard] is { } to && owner.Id != to && !_handingOff.Contains(shard)
                && owner.Node.Actors.Contains(shard) && first.Node.Map.Directory.IsCompleteAt(shard, to) && members.Exists(m => m.Id == to))
            {
                _handingOff.Add(shard);
                int number = shard;
                world.In(world.Random.Next(1, 40), () => owner.Node.Do(() => StopActor(owner, number)));
            }
        }
    }

    public void StartActor(SimNode node, MemberId id, int shard) => node.Do(() =>
    {
        if (node.Id == id && node.IsMember)
        {
            node.Actors.Add(shard);
            node.Map.BeginOpen(shard);
        }
        else if (_allocated[shard]?.Id == id)
        {
            // The node doesn't know yet that it is a member: try again.
            world.In(50, () => StartActor(node, id, shard));
        }
    });

    private void StopActor(SimMember owner, int shard)
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

    /// <summary>Allocates the shard as the strategy decides.</summary>
    private void Allocate(int shard)
    {
        if (authority()?.Node.Map is { Members: { } view } map && Placement.Owners(view, Simulation.Shards)[shard] is { } to
            && map.Directory.IsCompleteAt(shard, to) && members.Find(m => m.Id == to && m.IsReachable) is { } member)
        {
            _allocated[shard] = member;
            world.In(world.Random.Next(1, 40), () => StartActor(member.Node, member.Id, shard));
        }
    }
}
