using Akka.Actor;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// One shard of the map on the node where Akka's sharding placed it. The map holds the tables; this actor's lifetime decides when
/// they may be open on this node.
/// </summary>
internal sealed class ShardActor : UntypedActor
{
    private readonly MapPart _part;
    private readonly int _shard;

    public ShardActor(MapPart part, int shard)
    {
        _part = part;
        _shard = shard;
    }

    public static Props Props(MapPart part, int shard) => Akka.Actor.Props.Create(() => new ShardActor(part, shard));

    protected override void PreStart() => _part.Open(_shard, Self);

    protected override void PostStop() => _part.Close(_shard, Self);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case OpenShard: break;
            case SealShard: _part.Seal(_shard, Self); break;
            case ShardIsSealed or ShardIsDeposed: Context.Stop(Self); break;
            default: Unhandled(message); break;
        }
    }
}
