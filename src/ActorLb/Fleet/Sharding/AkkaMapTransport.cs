using System.Collections.Frozen;
using ActorLb.Fleet.Membership;
using ActorLb.Sticky.Map;
using Akka.Actor;
using Akka.Remote;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// Sends the map's messages over Akka's remoting. Lookups use a separate actor, so that they don't queue behind copies at either
/// end.
/// </summary>
internal sealed class AkkaMapTransport : IMapTransport
{
    private readonly FrozenDictionary<MemberId, Route> _none = FrozenDictionary<MemberId, Route>.Empty;
    private FrozenDictionary<MemberId, Route> _routes = FrozenDictionary<MemberId, Route>.Empty;
    private ulong _incarnation;

    public void Send(MemberId to, MapMessage message)
    {
        // Not a member: the map will retry or ask another node.
        if (!Volatile.Read(ref _routes).TryGetValue(to, out var route)) return;
        var receiver = message is LookupBatch or LookupAnswers ? route.Gateway : route.Copies;
        receiver.Tell(new MapEnvelope(_incarnation, message), ActorRefs.NoSender);
    }

    /// <param name="members">Null if there are none.</param>
    public void SetMembers(FleetSystem? fleet, ClusterMembers? members)
    {
        if (fleet is null || members is null)
        {
            Volatile.Write(ref _routes, _none);
            return;
        }
        var provider = (IRemoteActorRefProvider)((ExtendedActorSystem)fleet.System).Provider;
        _incarnation = members.Self.Incarnation;
        var routes = members.All.Where(m => m.Id != members.Self)
            .Select(m => KeyValuePair.Create(m.Id, _routes.TryGetValue(m.Id, out var known) && known.Fleet == fleet ? known
                : new Route(fleet, Find(provider, m.Address, MapActor.Gateway), Find(provider, m.Address, MapActor.Copies))));
        Volatile.Write(ref _routes, routes.ToFrozenDictionary());
    }

    private static IActorRef Find(IRemoteActorRefProvider provider, Address address, string name) =>
        provider.ResolveActorRef(new RootActorPath(address) / "user" / name);

    private readonly record struct Route(FleetSystem Fleet, IActorRef Gateway, IActorRef Copies);
}
