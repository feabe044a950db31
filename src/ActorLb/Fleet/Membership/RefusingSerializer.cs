using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace ActorLb.Fleet.Membership;

/// <summary>Stands in for a serializer of Akka's that makes whatever objects a peer describes: nothing is made, nothing is sent.</summary>
internal abstract class RefusingSerializer(ExtendedActorSystem system, int identifier, string what) : Serializer(system)
{
    public override int Identifier => identifier;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) => throw new SerializationException($"{obj.GetType()} has no serializer of its own");

    public override object FromBinary(byte[] bytes, Type type) => throw new SerializationException($"{what} is refused");
}

/// <summary>For <c>json</c>, which Akka takes for every type that has no other; it comes with settings of its own.</summary>
internal sealed class RefusingJsonSerializer : RefusingSerializer
{
    public RefusingJsonSerializer(ExtendedActorSystem system, Config settings)
        : base(system, 1, "a message in JSON") => _ = settings;
}

/// <summary>For <c>daemon-create</c>, by which one node has another start actors.</summary>
internal sealed class RefusingDeploymentSerializer(ExtendedActorSystem system) : RefusingSerializer(system, 3, "a deployment of actors");
