using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Replaces an Akka serializer that would instantiate whatever types a peer names: it neither reads nor writes.
/// </summary>
internal abstract class RefusingSerializer(ExtendedActorSystem system, int identifier, string what) : Serializer(system)
{
    public override int Identifier => identifier;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) => throw new SerializationException($"{obj.GetType()} has no serializer of its own");

    public override object FromBinary(byte[] bytes, Type type) => throw new SerializationException($"{what} is refused");
}

/// <summary>Replaces <c>json</c>, which Akka uses for every type without its own serializer.</summary>
internal sealed class RefusingJsonSerializer : RefusingSerializer
{
    public RefusingJsonSerializer(ExtendedActorSystem system, Config settings)
        : base(system, 1, "a message in JSON") => _ = settings;
}

/// <summary>Replaces <c>daemon-create</c>, with which one node makes another start actors.</summary>
internal sealed class RefusingDeploymentSerializer(ExtendedActorSystem system) : RefusingSerializer(system, 3, "a deployment of actors");
