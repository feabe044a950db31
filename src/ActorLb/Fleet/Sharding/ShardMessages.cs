using ActorLb.Sticky.Map;
using Akka.Actor;

namespace ActorLb.Fleet.Sharding;

/// <summary>A message of the map to another node. The number of the sender's fleet system identifies its membership.</summary>
internal sealed record MapEnvelope(ulong Incarnation, MapMessage Message);

/// <summary>To the shard region: the node that gets the shard opens it.</summary>
internal sealed record OpenShard(int Shard);

/// <summary>To the actor of a shard: the shard moves to another node.</summary>
internal sealed record SealShard : INoSerializationVerificationNeeded
{
    public static readonly SealShard Instance = new();
}

/// <summary>To the actor of a shard: the seal that <see cref="SealShard"/> requested is complete.</summary>
internal sealed record ShardIsSealed : INoSerializationVerificationNeeded
{
    public static readonly ShardIsSealed Instance = new();
}

/// <summary>To the actor of a shard: another node has a newer ownership.</summary>
internal sealed record ShardIsDeposed : INoSerializationVerificationNeeded
{
    public static readonly ShardIsDeposed Instance = new();
}

/// <summary>To the keeper: members or the region changed.</summary>
internal sealed record LookAtShards : INoSerializationVerificationNeeded
{
    public static readonly LookAtShards Instance = new();
}
