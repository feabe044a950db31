using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Effective;
using Akka.Configuration;

namespace ActorLb.Tests.Configuration;

/// <summary>The keys of a fleet that forms from seeds, and the block that goes to Akka.</summary>
public sealed class SeedTests : IDisposable
{
    private const string Secret = "0123456789abcdef0123456789abcdef";
    private const string Rest = "pools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n";

    private readonly ConfigurationFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Cluster_WithoutSeeds_IsANodeByItself()
    {
        var cluster = Load("").Cluster;

        Assert.Empty(cluster.Seeds);
        Assert.Equal(TimeSpan.FromSeconds(5), cluster.DownAfter);
        Assert.Equal(TimeSpan.FromSeconds(5), cluster.FormAfter);
        Assert.Equal(SplitRule.Majority, cluster.WhenSplit);
        Assert.Equal(64, cluster.Shards);
    }

    [Fact]
    public void Cluster_WithSeeds_IsRead()
    {
        _folder.Write("secret", Secret);

        var cluster = Load("""
            cluster { bind = "0.0.0.0:7946", advertise = "10.0.0.1:7946", secret-file = secret, down-after = 10s, form-after = 20s
              when-split = oldest, shards = 256, seeds = ["lb-1:7946", "10.0.0.2:7946", "[2001:db8::3]:7947"] }
            """).Cluster;

        Assert.Equal([new DnsEndPoint("lb-1", 7946), new DnsEndPoint("10.0.0.2", 7946), new DnsEndPoint("2001:db8::3", 7947)], cluster.Seeds);
        Assert.Equal(TimeSpan.FromSeconds(10), cluster.DownAfter);
        Assert.Equal(TimeSpan.FromSeconds(20), cluster.FormAfter);
        Assert.Equal(SplitRule.Oldest, cluster.WhenSplit);
        Assert.Equal(256, cluster.Shards);
    }

    [Theory]
    [InlineData("cluster { seeds = [\"lb-1\"], bind = \"127.0.0.1:7946\" }", "2:20: actorlb.cluster.seeds[0]: 'lb-1' lacks a port")]
    [InlineData(
        "cluster { seeds = [\"a:1\", \"a:1\"], bind = \"127.0.0.1:7946\" }",
        "2:27: actorlb.cluster.seeds[1]: 'a:1' is listed twice")]
    [InlineData(
        "cluster { seeds = [\"a:1\"], shards = 48, bind = \"127.0.0.1:7946\" }",
        "2:37: actorlb.cluster.shards: '48' is not a power of two")]
    [InlineData("cluster { shards = 8 }", "2:20: actorlb.cluster.shards: '8' is not a whole number from 16 to 1024")]
    [InlineData("cluster { when-split = never }", "2:24: actorlb.cluster.when-split: 'never' is not one of majority, oldest")]
    [InlineData("cluster { down-after = 1s }", "2:24: actorlb.cluster.down-after: '1s' is not within 2s to 10m")]
    [InlineData(
        "cluster { seeds = [\"a:1\"], bind = \"10.0.0.1:7946\" }",
        "2:35: actorlb.cluster.bind: '10.0.0.1:7946' is reachable from other machines: members must authenticate, by secret-file or tls")]
    [InlineData(
        "cluster { seeds = [\"a:1\"], bind = \"127.0.0.1:7946\", secret-file = brief }",
        "2:67: actorlb.cluster.secret-file: 'brief' holds 7 bytes; a secret needs at least 32")]
    public void Cluster_OfWrongSeeds_IsAnErrorWithItsPlace(string text, string expected) => BadConfiguration.Has(BadConfiguration.Whole(text), expected);

    [Fact]
    public void Bind_OfAFleet_MustNotBeAListenersToo() => BadConfiguration.Has(
        BadConfiguration.Whole("cluster { seeds = [\"a:1\"], bind = \"127.0.0.1:1883\" }\nlisteners.m { bind = \"127.0.0.1:1883\", pool = p }"),
        "3:22: actorlb.listeners.m.bind: '127.0.0.1:1883' is already bound by actorlb.cluster.bind");

    [Fact]
    public void Akka_WithSubstitutionsAndOddTexts_IsPlainForAkka()
    {
        var options = _folder.LoadValid($$"""
            base = 300ms
            akka { cluster.gossip-interval = ${base}, remote.log = "a ${x} \"q\" \\ # é" }
            akka.cluster.roles = [a, "b c"]
            akka.actor.deployment."/user/a.b" { router = none, nr = 3, on = true, nothing = null, empty {} }
            akka.list = [{ a = 1, b = [2, 3] }]
            actorlb { {{Rest}} }
            """);

        var akka = ConfigurationFactory.ParseString(options.Akka.ToHocon());

        Assert.Equal(TimeSpan.FromMilliseconds(300), akka.GetTimeSpan("akka.cluster.gossip-interval"));
        Assert.Equal("a ${x} \"q\" \\ # é", akka.GetString("akka.remote.log"));
        Assert.Equal(["a", "b c"], akka.GetStringList("akka.cluster.roles"));
        var deployment = akka.GetConfig("akka.actor.deployment.\"/user/a.b\"");
        Assert.Equal("none", deployment.GetString("router"));
        Assert.Equal(3, deployment.GetInt("nr"));
        Assert.True(deployment.GetBoolean("on"));
        Assert.Equal(2, akka.GetValue("akka.list").GetArray()[0].GetObject().GetKey("b").GetArray().Count);
    }

    [Fact]
    public void Akka_IsShownWithoutItsPasswords_AndLoadsAgain()
    {
        var options = _folder.LoadValid($"akka {{ remote {{ ssl.password = hush, x = 1 }} }}\nactorlb {{ {Rest} }}");

        string shown = EffectiveConfiguration.Render(options);

        Assert.DoesNotContain("hush", shown, StringComparison.Ordinal);
        Assert.Contains("x = \"1\"", shown, StringComparison.Ordinal);
        string whole = EffectiveConfiguration.Render(options, showSecrets: true);
        Assert.Equal(whole, EffectiveConfiguration.Render(_folder.LoadValid(whole), showSecrets: true));
    }

    [Fact]
    public void Akka_ThatIsNoBlock_IsAnError() =>
        BadConfiguration.Has($"actorlb {{\n{Rest}}}\nakka = 5\n", "5:8: akka: is a number, but { ... } is expected");

    [Fact]
    public void Akka_Changed_HoldsFromTheNextStart()
    {
        ActorLbOptions old = _folder.LoadValid($"akka.a = 1\nactorlb {{ {Rest} }}"), next = _folder.LoadValid($"akka.a = 2\nactorlb {{ {Rest} }}");

        Assert.Equal(["akka.a"], ConfigurationDiff.Between(old, next).RestartRequired);
    }

    private ActorLbOptions Load(string text) => _folder.LoadValid($"actorlb {{\n{text}\n{Rest}}}");
}
