using System.Text;

namespace ActorLb.Protocol.Tests;

public sealed class SpokenProtocolTests
{
    [Theory]
    [InlineData("\u0016\u0003\u0001\u0002\0\u0001", SpokenProtocol.Tls)]
    [InlineData("\u0016\u0003\u0003", SpokenProtocol.Tls)]
    [InlineData("\u0016\u0003", SpokenProtocol.Unknown)]
    [InlineData("\u0016\u0002\u0001", SpokenProtocol.Unknown)]
    [InlineData("\u0010\u000d\0\u0004MQTT\u0004\u0002", SpokenProtocol.Mqtt)]
    [InlineData("\u0010\u00ff\u00ff\u00ff\u007f\0\u0006MQIsdp\u0003", SpokenProtocol.Mqtt)]
    [InlineData("\u0010\u000d\0\u0004", SpokenProtocol.Unknown)]
    [InlineData("GET / HTTP/1.1\r\n", SpokenProtocol.Http)]
    [InlineData("PRI * HTTP/2.0\r\n", SpokenProtocol.Http)]
    [InlineData("OPTIONS * HTTP/1.1\r\n", SpokenProtocol.Http)]
    [InlineData("GETTING ", SpokenProtocol.Unknown)]
    [InlineData("G", SpokenProtocol.Unknown)]
    [InlineData("PROXY TCP4 ", SpokenProtocol.Proxy)]
    [InlineData("\r\n\r\n\0\r\nQUIT\n!", SpokenProtocol.Proxy)]
    [InlineData("SSH-2.0-x\r\n", SpokenProtocol.Unknown)]
    [InlineData("", SpokenProtocol.Unknown)]
    public void Guess_OfFirstBytes(string first, SpokenProtocol expected) =>
        Assert.Equal(expected, SpokenProtocols.Guess(Encoding.Latin1.GetBytes(first)));

    [Fact]
    public void Hint_OfWhatIsExpectedOrUnknown_IsEmpty()
    {
        foreach (var wanted in Enum.GetValues<SpokenProtocol>())
        {
            if (wanted != SpokenProtocol.Proxy) Assert.Equal("", SpokenProtocols.Hint(wanted, wanted));
            Assert.Equal("", SpokenProtocols.Hint(SpokenProtocol.Unknown, wanted));
        }
        Assert.Equal(" speaks MQTT without TLS", SpokenProtocols.Hint(SpokenProtocol.Mqtt, SpokenProtocol.Tls));
    }
}
