using ActorLb.Configuration;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Checks;

public sealed class DataPlaneChecksTests
{
    [Theory]
    [InlineData("", "websocket { path = \"/mqtt\" }", "actorlb.listeners.mqtt.websocket", 3)]
    [InlineData("", "tls { certificate = \"c.pem\", key = \"c.key\" }", "actorlb.listeners.mqtt.tls", 3)]
    [InlineData("tls { ca = \"ca.pem\" }", "", "actorlb.pools.p.tls", 2)]
    public void Streams_WithTlsOrWebSocket_AreRefusedWithTheReason(string pool, string listener, string path, int line)
    {
        using var folder = new TempFolder();
        foreach (string file in new[] { "c.pem", "c.key", "ca.pem" }) folder.Write(file, "");
        var result = ConfigurationLoader.LoadText(Text("streams", pool, listener), folder["lb.conf"]);
        var error = Assert.Single(result.Errors);
        Assert.Equal((path, line), (error.Path, error.Line));
        Assert.Contains("is not available with node.data-plane = streams", error.Reason, StringComparison.Ordinal);
        Assert.NotNull(ConfigurationLoader.LoadText(Text("reactor", pool, listener), folder["lb.conf"]).Options);
    }

    [Fact]
    public void Streams_OfPlainTcp_AreTaken() => Assert.Equal(
        DataPlaneKind.Streams, ConfigurationLoader.LoadText(Text("streams", "proxy-protocol = v2", "protocol = mqtt"), "lb.conf").Options!.Node.DataPlane);

    [Fact]
    public void DataPlane_Unknown_IsTold()
    {
        var result = ConfigurationLoader.LoadText(Text("stream", "", ""), "lb.conf");
        Assert.Contains(result.Errors, e => e.Path == "actorlb.node.data-plane" && e.Reason.Contains("streams", StringComparison.Ordinal));
    }

    private static string Text(string plane, string pool, string listener) => $$"""
        actorlb { node { name = n, data-plane = {{plane}} }
          pools.p { backends = ["127.0.0.1:1884"], {{pool}} }
          listeners.mqtt { bind = "127.0.0.1:1883", pool = p, {{listener}} }
        }
        """;
}
