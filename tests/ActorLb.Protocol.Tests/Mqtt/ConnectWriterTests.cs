using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

/// <summary>What the other tests build their CONNECTs with.</summary>
public sealed class ConnectWriterTests
{
    [Theory]
    [InlineData(MqttVersion.V31, "100F00064D51497364700302003C000163")]
    [InlineData(MqttVersion.V311, "100D00044D5154540402003C000163")]
    [InlineData(MqttVersion.V5, "100E00044D5154540502003C00000163")]
    public void Connect_Golden(MqttVersion version, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(SampleConnects.Minimal(version, "c")));
}
