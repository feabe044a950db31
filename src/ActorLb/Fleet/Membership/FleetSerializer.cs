using System.Collections.Immutable;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace ActorLb.Fleet.Membership;

/// <summary>The membership's messages on the wire. Manifests are numbers that are never reused; a test pins them.</summary>
internal sealed class FleetSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string HelloManifest = "1";
    private const string DoYouHearManifest = "2";
    private const string YesIHearManifest = "3";

    public override int Identifier => 101;

    public override string Manifest(object o) => o switch
    {
        Hello => HelloManifest,
        HeartbeatQuestion => DoYouHearManifest,
        HeartbeatConfirmation => YesIHearManifest,
        _ => throw Unknown(o),
    };

    public override byte[] ToBinary(object obj) => obj switch
    {
        Hello hello => WriteHello(hello),
        HeartbeatQuestion question => WriteText(question.Member),
        HeartbeatConfirmation answer => WriteText(answer.Member),
        _ => throw Unknown(obj),
    };

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new WireReader(bytes);
        object message = manifest switch
        {
            HelloManifest => ReadHello(ref reader),
            DoYouHearManifest => new HeartbeatQuestion(reader.Text(Hello.MaxText)),
            YesIHearManifest => new HeartbeatConfirmation(reader.Text(Hello.MaxText)),
            _ => throw new SerializationException($"manifest {manifest} is unknown to this release"),
        };
        // A later release may append fields, which are ignored.
        return reader.IsValid ? message : throw new SerializationException("a message of the fleet is malformed");
    }

    private static SerializationException Unknown(object o) => new($"{o.GetType()} is not a message of the fleet");

    private static byte[] WriteText(string text)
    {
        var writer = new WireWriter(64);
        writer.Text(text);
        return writer.ToArray();
    }

    private static byte[] WriteHello(Hello hello)
    {
        var writer = new WireWriter(256);
        writer.UInt16(hello.Protocol);
        writer.Text(hello.Cluster);
        writer.Int32(hello.Shards);
        writer.Text(hello.Node);
        writer.Int64(hello.Uid);
        writer.Text(hello.Address);
        writer.Text(hello.Target);
        writer.Byte((byte)((hello.WantsAnswer ? 1 : 0) | (hello.IsReady ? 2 : 0)));
        writer.Byte((byte)hello.State);
        writer.Byte((byte)hello.Refusal);
        writer.Int64(hello.Id.FormedAt);
        writer.Int64(hello.Id.Former);
        writer.UInt16((ushort)hello.Hears.Length);
        foreach (string address in hello.Hears) writer.Text(address);
        writer.UInt16((ushort)hello.Members.Length);
        foreach (long uid in hello.Members) writer.Int64(uid);
        return writer.ToArray();
    }

    private static Hello ReadHello(ref WireReader reader)
    {
        ushort protocol = reader.UInt16();
        string cluster = reader.Text(Hello.MaxText);
        int shards = reader.Int32();
        string node = reader.Text(Hello.MaxText);
        if (protocol != Hello.Current)
        {
            return new Hello(protocol, cluster, shards, node, 0, "", "", false, HelloState.Alone, false, HelloRefusal.None, default, [], []);
        }
        long uid = reader.Int64();
        string address = reader.Text(Hello.MaxText), target = reader.Text(Hello.MaxText);
        byte flags = reader.Byte();
        var state = (HelloState)reader.Byte();
        var refusal = (HelloRefusal)reader.Byte();
        var id = new ClusterId(reader.Int64(), reader.Int64());
        int hears = reader.Count(Hello.MaxNodes, leastBytes: 2);
        var heard = ImmutableArray.CreateBuilder<string>(hears);
        for (int i = 0; i < hears; i++) heard.Add(reader.Text(Hello.MaxText));
        int count = reader.Count(Hello.MaxNodes, leastBytes: 8);
        var members = ImmutableArray.CreateBuilder<long>(count);
        for (int i = 0; i < count; i++) members.Add(reader.Int64());
        return new Hello(
            protocol, cluster, shards, node, uid, address, target, (flags & 1) != 0, state, (flags & 2) != 0, refusal, id,
            heard.MoveToImmutable(), members.MoveToImmutable());
    }
}
