using System.Runtime.Serialization;
using ActorLb.Fleet.Membership;
using ActorLb.Testing;
using Akka.Actor;
using Akka.Serialization;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>The greetings of nodes that are not members, and what a fleet system refuses to read.</summary>
public sealed class FleetSerializerTests
{
    private static readonly Hello Sample = new(
        Hello.Current, "test", 64, "node-1", 10, "abc.de", "x:123", WantsAnswer: true, HelloState.Joining, IsReady: true,
        HelloRefusal.None, new ClusterId(20, 10), ["a1", "b2"], [1, 2]);

    [Fact]
    public void Hello_Written_IsReadTheSame()
    {
        var serializer = new FleetSerializer(null!);
        var read = Read(serializer.ToBinary(Sample));

        Assert.Equal(Sample.Hears, read.Hears);
        Assert.Equal(Sample.Members, read.Members);
        Assert.Equal(Sample with { Hears = [], Members = [] }, read with { Hears = [], Members = [] });
    }

    /// <summary>The last release sends these bytes, which must keep their meaning.</summary>
    [Fact]
    public void Hello_AsRecorded_StillMeansTheSame()
    {
        const string Recorded =
            "01000400746573744000000006006E6F64652D310A0000000000000006006162632E64650500783A31323303010014000000000000000A"
            + "0000000000000002000200613102006232020001000000000000000200000000000000";
        Assert.Equal(Recorded, Convert.ToHexString(new FleetSerializer(null!).ToBinary(Sample)));
    }

    [Fact]
    public void Witnesses_AsRecorded_StillMeanTheSame()
    {
        var serializer = new FleetSerializer(null!);
        Assert.Equal(("2", "0300616263"), (serializer.Manifest(new HeartbeatQuestion("abc")), Convert.ToHexString(serializer.ToBinary(new HeartbeatQuestion("abc")))));
        Assert.Equal(("3", "0300616263"), (serializer.Manifest(new HeartbeatConfirmation("abc")), Convert.ToHexString(serializer.ToBinary(new HeartbeatConfirmation("abc")))));
        Assert.Equal(new HeartbeatQuestion("abc"), serializer.FromBinary([3, 0, 97, 98, 99], "2"));
        Assert.Equal(new HeartbeatConfirmation("abc"), serializer.FromBinary([3, 0, 97, 98, 99], "3"));
        Assert.Throws<SerializationException>(() => serializer.FromBinary([3, 0, 97, 98], "2"));
    }

    [Fact]
    public void Hello_CutAnywhere_IsRefused()
    {
        byte[] whole = new FleetSerializer(null!).ToBinary(Sample);
        for (int length = 0; length < whole.Length; length++)
        {
            byte[] part = whole[..length];
            Assert.Throws<SerializationException>(() => Read(part));
        }
    }

    [Fact]
    public void Hello_WithMoreAtItsEnd_IsOfALaterRelease() =>
        Assert.Equal("test", Read([.. new FleetSerializer(null!).ToBinary(Sample), 1, 2, 3]).Cluster);

    [Fact]
    public void Hello_OfAnotherProtocol_StillNamesItsNodeAndCluster()
    {
        byte[] bytes = new FleetSerializer(null!).ToBinary(Sample with { Protocol = 9 });
        // After the first fields anything may follow.
        var read = Read(bytes[..20]);

        Assert.Equal((9, "test", 64), (read.Protocol, read.Cluster, read.Shards));
        Assert.Equal(Sample.Node, read.Node);
    }

    [Fact]
    public void Hello_WithACountThatItCannotHold_AllocatesNothing()
    {
        byte[] bytes = new FleetSerializer(null!).ToBinary(Sample with { Hears = [], Members = [] });
        bytes[^2] = 0xFF;
        bytes[^1] = 0x03;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<SerializationException>(() => Read(bytes));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
    }

    [Fact]
    public void Manifest_Unknown_IsRefused() =>
        Assert.Throws<SerializationException>(() => new FleetSerializer(null!).FromBinary([], "77"));

    [Theory]
    [InlineData(1, "System.Diagnostics.ProcessStartInfo, System.Diagnostics.Process", "{\"$type\":\"System.IO.FileInfo, mscorlib\"}")]
    [InlineData(1, "", "{}")]
    [InlineData(3, "", "x")]
    [InlineData(99, "", "x")]
    [InlineData(101, "0", "")]
    public async Task Frame_ThatDescribesOtherObjects_MakesNone(int serializer, string manifest, string body)
    {
        await using var nodes = new FleetNodes(1) { Adapt = (_, s) => s with { Akka = "" } };
        nodes.Start(0);
        await Wait.UntilAsync(() => nodes[0].System is not null, () => "no system");
        var serialization = nodes[0].System!.System.Serialization;
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(body);

        Assert.Throws<SerializationException>(() => serialization.Deserialize(bytes, serializer, manifest));
    }

    [Fact]
    public async Task Message_OfATypeThatIsNotListed_IsNotSent()
    {
        await using var nodes = new FleetNodes(1) { Adapt = (_, s) => s with { Akka = "" } };
        nodes.Start(0);
        await Wait.UntilAsync(() => nodes[0].System is not null, () => "no system");
        var serialization = nodes[0].System!.System.Serialization;

        Assert.ThrowsAny<Exception>(() => serialization.FindSerializerFor(new Dictionary<string, object>()).ToBinary(new Dictionary<string, object>()));
        Assert.ThrowsAny<Exception>(() => serialization.FindSerializerForType(typeof(Props)).FromBinary([1], typeof(Props)));
    }

    private static Hello Read(byte[] bytes) => (Hello)new FleetSerializer(null!).FromBinary(bytes, "1");
}
