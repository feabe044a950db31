using ActorLb.Fleet.Membership;
using ActorLb.Sticky.Map;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.DistributedData;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// Runs the map on Akka's sharding. Sharding decides which node owns a shard; the map's directory is a shortcut so that no
/// CONNECT waits for sharding. The map outlives the fleet systems, whose actors only tell it which shards to open here.
/// </summary>
internal sealed class MapPart : IFleetPart
{
    private const string TypeName = "map";

    private readonly AkkaMapTransport _transport;
    private readonly Lock _gate = new();
    private readonly IActorRef?[] _actors;
    private FleetSystem? _fleet;
    private IActorRef? _region;
    private IActorRef? _keeper;
    private ClusterMembers? _members;

    public MapPart(ShardedMap map, AkkaMapTransport transport)
    {
        Map = map;
        _transport = transport;
        _actors = new IActorRef?[map.Settings.Shards];
        map.ShardSealed += shard => Tell(shard, ShardIsSealed.Instance);
        map.ShardDeposed += shard => Tell(shard, ShardIsDeposed.Instance);
    }

    public ShardedMap Map { get; }

    public int Shards => _actors.Length;

    public string Configuration => """
        akka {
          actor {
            serializers.actorlb-map = "ActorLb.Fleet.Sharding.MapSerializer, ActorLb.Engine"
            serialization-identifiers { "ActorLb.Fleet.Sharding.MapSerializer, ActorLb.Engine" = 102 }
            serialization-bindings {
              "ActorLb.Fleet.Sharding.MapEnvelope, ActorLb.Engine" = actorlb-map
              "ActorLb.Fleet.Sharding.OpenShard, ActorLb.Engine" = actorlb-map
            }
          }
          # It buffers only requests to open shards.
          cluster.sharding.buffer-size = 4096
        }
        """;

    public void Start(FleetSystem system)
    {
        lock (_gate)
        {
            _fleet = system;
            Array.Clear(_actors);
        }
        // Every node's replicator must run before others ask it. The settings need sharding's defaults, which Get adds.
        DistributedData.Get(system.System);
        var sharding = ClusterSharding.Get(system.System);
        _region = sharding.Start(
            TypeName, entity => ShardActor.Props(this, ShardExtractor.NumberOf(entity)), ClusterShardingSettings.Create(system.System),
            new ShardExtractor(Shards), new AllocationStrategy(this), SealShard.Instance);
        system.System.ActorOf(MapActor.Props(this), MapActor.Gateway);
        system.System.ActorOf(MapActor.Props(this), MapActor.Copies);
        _keeper = system.System.ActorOf(ShardKeeper.Props(this, system, _region), "keeper");
    }

    public void SetMembers(ClusterMembers? members)
    {
        FleetSystem? fleet;
        lock (_gate)
        {
            fleet = _fleet;
            if (members is null) Array.Clear(_actors);
            Volatile.Write(ref _members, members);
        }
        _transport.SetMembers(fleet, members);
        Map.SetMembers(members is null ? null : new MapMembers(
            members.Self, members.All.Select(m => new MapMember(m.Id, m.Zone) { IsLeaving = m.IsLeaving, IsReachable = m.IsHeard, IsReachableByAll = m.IsReachable })));
        if (members is null) return;
        // Sharding may have started actors before this node knew that it is a member.
        for (int shard = 0; shard < _actors.Length; shard++)
        {
            if (Volatile.Read(ref _actors[shard]) is not null) Map.BeginOpen(shard);
        }
        _keeper?.Tell(LookAtShards.Instance);
    }

    public void Receive(MapEnvelope envelope)
    {
        if (Volatile.Read(ref _members) is not { } members) return;
        foreach (var member in members.All)
        {
            if (member.Id.Incarnation != envelope.Incarnation) continue;
            Map.Receive(member.Id, envelope.Message);
            return;
        }
    }

    /// <param name="address">The address of a region; without a host it is this node's.</param>
    public MemberId? MemberAt(Address address)
    {
        if (Volatile.Read(ref _members) is not { } members) return null;
        if (address.HasLocalScope) return members.Self;
        foreach (var member in members.All)
        {
            if (member.Address.Equals(address)) return member.Id;
        }
        return null;
    }

    /// <summary>No reachable node is known to own the shard.</summary>
    public bool LacksOwner(int shard)
    {
        if (Map.Members is not { } members) return false;
        if (Map.Directory[shard] is not { } seats) return true;
        return seats.Owner == members.Self ? Volatile.Read(ref _actors[shard]) is null : !members.CanReach(seats.Owner);
    }

    public void Open(int shard, IActorRef actor)
    {
        lock (_gate) Volatile.Write(ref _actors[shard], actor);
        Map.BeginOpen(shard);
    }

    public void Seal(int shard, IActorRef actor)
    {
        if (Volatile.Read(ref _actors[shard]) == actor) Map.BeginSeal(shard);
        else actor.Tell(ShardIsSealed.Instance);
        // The region buffers this until the shard has a new home, and so opens it there at once.
        _region?.Tell(new OpenShard(shard));
    }

    /// <summary>Ignored if another actor has taken over the shard.</summary>
    public void Close(int shard, IActorRef actor)
    {
        lock (_gate)
        {
            if (_actors[shard] != actor) return;
            Volatile.Write(ref _actors[shard], null);
        }
        Map.Close(shard);
    }

    private void Tell(int shard, object message) => Volatile.Read(ref _actors[shard])?.Tell(message);
}
