using ActorLb.Configuration;
using ActorLb.Configuration.Effective;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Effective;

public sealed class ConfigurationFingerprintTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public ConfigurationFingerprintTests()
    {
        foreach (string file in new[] { "a.secret", "other-place", "one-ca.pem", "two-ca.pem", "one-node.pem", "one-node.key", "two.pem", "two.key" })
        {
            _folder.Write(file, new string('x', 40));
        }
    }

    public void Dispose() => _folder.Dispose();

    private const string Base = """
        node.name = lb-1
        cluster { bind = "10.0.0.1:7946", seeds = ["10.0.0.1:7946", "10.0.0.2:7946"], secret-file = "a.secret" }
        pools.emqx { balance = sticky, backends = ["b1:1883", "b2:1883"], source-addresses = ["10.0.0.1"], tls.ca = "one-ca.pem" }
        pools.other { backends = ["b3:1883"] }
        pools.found.backends.emqx { api = "http://emqx1:18083", key-file = "a.secret", ca = "one-ca.pem" }
        listeners.mqtt { bind = "10.0.0.1:1883", pool = emqx }
        listeners.mqtts { bind = "10.0.0.1:8883", pool = emqx, tls { certificate = "one-node.pem", key = "one-node.key" } }
        """;

    /// <summary>A second value of a key takes the place of the first.</summary>
    [Theory]
    [InlineData("node { name = lb-2, workers = 4, max-connections = 5000, data-dir = \"/var/lib/other\" }")]
    [InlineData("cluster { bind = \"10.0.0.2:7946\", advertise = \"10.0.0.2:7946\", zone = b, secret-file = \"other-place\" }")]
    [InlineData("pools.emqx { source-addresses = [\"10.0.0.2\", \"10.0.0.3\"], tls.ca = \"two-ca.pem\" }")]
    [InlineData("pools.found.backends.emqx { key-file = \"other-place\", ca = \"two-ca.pem\" }")]
    [InlineData("listeners { mqtt.bind = \"10.0.0.2:1883\", mqtts { bind = \"[::1]:8883\", tls { certificate = \"two.pem\", key = \"two.key\" } } }")]
    [InlineData("log.level = debug, admin.bind = \"127.0.0.1:9999\"")]
    public void Parts_OfNodesThatDifferByDesign_AreAlike(string own) => Assert.Empty(Differences(own));

    [Theory]
    [InlineData("pools.emqx.backends = [\"b1:1883\"]", "pools.emqx")]
    [InlineData("pools.emqx.backends = [\"b2:1883\", \"b1:1883\"]", "pools.emqx")]
    [InlineData("pools.other.retry.tries = 2", "pools.other")]
    [InlineData("pools.emqx.tls.ca = null", "pools.emqx")]
    [InlineData("pools.third { backends = [\"b:1\"] }", "pools.third")]
    [InlineData("listeners.mqtt.max-packet-size = 1KiB, sticky.ttl = 1h", "listeners.mqtt", "sticky")]
    [InlineData("cluster { seeds = [\"10.0.0.1:7946\"] }", "cluster")]
    [InlineData("cluster { when-split = oldest }, pools.emqx.place = random", "cluster", "pools.emqx")]
    public void Parts_ThatDiffer_AreNamed(string own, params string[] parts) => Assert.Equal(parts, Differences(own));

    [Fact]
    public void Hash_IsOfEverythingButSecrets()
    {
        Assert.NotEqual(Of("").Hash, Of("node.name = lb-2").Hash);
        Assert.Equal(Of("listeners.mqtt.rewrite.password = \"one\"").Hash, Of("listeners.mqtt.rewrite.password = \"two\"").Hash);
        Assert.Equal(Of("").Hash, Of("").Hash);
    }

    [Fact]
    public void Pools_InGreatNumber_HaveOneHash()
    {
        string many = string.Join('\n', Enumerable.Range(0, 300).Select(i => $"pools.p{i} {{ backends = [\"b{i}:1883\"] }}"));
        Assert.DoesNotContain(Of(many).Parts.Keys, k => k.StartsWith("pools.", StringComparison.Ordinal));
        Assert.Equal(["pools"], ConfigurationFingerprint.Differences(Of(many).Parts, Of(many + "\npools.p7.retry.tries = 2").Parts));
    }

    private string[] Differences(string own) => ConfigurationFingerprint.Differences(Of("").Parts, Of(own).Parts);

    private ConfigurationFingerprint Of(string more)
    {
        var result = ConfigurationLoader.LoadText($"actorlb {{\n{Base}\n{more}\n}}", _folder["test.conf"]);
        return ConfigurationFingerprint.Of(result.Options ?? throw new ArgumentException(string.Join('\n', result.Errors), nameof(more)));
    }
}
