using Akka.Actor;

namespace ActorLb.Fleet.Sharding;

/// <summary>Passes other nodes' messages to the map: one instance for lookups, one for everything about copies.</summary>
internal sealed class MapActor : UntypedActor
{
    public const string Gateway = "map";
    public const string Copies = "copies";

    private readonly MapPart _part;

    public MapActor(MapPart part) => _part = part;

    public static Props Props(MapPart part) => Akka.Actor.Props.Create(() => new MapActor(part));

    protected override void OnReceive(object message)
    {
        if (message is MapEnvelope envelope) _part.Receive(envelope);
        else Unhandled(message);
    }
}
