using Akka.Actor;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// One shard of the map, where Akka's sharding has put it. The tables and all that is done with them are the map's; this actor's life
/// says when they may be open here.
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
