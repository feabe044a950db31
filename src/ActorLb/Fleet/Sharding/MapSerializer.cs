using System.Runtime.Serialization;
using ActorLb.Fleet.Membership;
using Akka.Actor;
using Akka.Serialization;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// Serializes the map's messages for Akka. Manifests are append-only numbers: 0 is <see cref="OpenShard"/>, the others are the
/// kinds of <see cref="MapWire"/>.
/// </summary>
internal sealed class MapSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string OpenShardManifest = "0";

    private static readonly string[] Manifests = [.. Enumerable.Range(0, 32).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))];

    public override int Identifier => 102;

    public override string Manifest(object o) => o switch
    {
        MapEnvelope envelope when MapWire.KindOf(envelope.Message) is > 0 and var kind => Manifests[kind],
        OpenShard => OpenShardManifest,
        _ => throw Unknown(o),
    };

    public override byte[] ToBinary(object obj)
    {
        switch (obj)
        {
            case MapEnvelope envelope:
                var writer = new WireWriter(sizeof(ulong) + MapWire.SizeOf(envelope.Message));
                writer.UInt64(envelope.Incarnation);
                MapWire.Write(ref writer, envelope.Message);
                return writer.ToArray();
            case OpenShard open:
                var number = new WireWriter(4);
                number.Int32(open.Shard);
                return number.ToArray();
            default:
                throw Unknown(obj);
        }
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new WireReader(bytes);
        object? message = manifest == OpenShardManifest ? new OpenShard(reader.Int32()) : ReadEnvelope(ref reader, Array.IndexOf(Manifests, manifest));
        if (message is null) throw new SerializationException($"manifest {manifest} is unknown to this release");
        return reader.IsValid ? message : throw new SerializationException($"a message of the map with manifest {manifest} is malformed");
    }

    private static MapEnvelope? ReadEnvelope(ref WireReader reader, int kind)
    {
        ulong incarnation = reader.UInt64();
        return MapWire.Read(ref reader, kind) is { } message ? new MapEnvelope(incarnation, message) : null;
    }

    private static SerializationException Unknown(object message) => new($"{message.GetType()} is not a message of the map");
}
