using ActorLb.Configuration.Effective;

namespace ActorLb.Tests.Configuration.Effective;

public sealed class ConfigurationDiffTests : IDisposable
{
    private const string Base = """
        node { name = n, workers = 1 }
        pools { a.backends = ["h:1", "h:2"], b.backends = ["h:3"], "a.b".backends = ["h:4"] }
        listeners { x { bind = "*:1", pool = a }, y { bind = "*:2", pool = b } }
        """;

    private readonly ConfigurationFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Between_EqualOptions_IsEmpty()
    {
        var diff = Diff("");

        Assert.True(diff.IsEmpty);
        Assert.True(diff.Listeners.IsEmpty && diff.Pools.IsEmpty);
        Assert.Empty(diff.RestartRequired);
    }

    [Fact]
    public void Between_OtherListeners_NamesAddedRemovedAndChanged()
    {
        var diff = Diff("listeners { x = null, y.backlog = 5, z { bind = \"*:3\", pool = a } }");

        Assert.Equal(["z"], diff.Listeners.Added);
        Assert.Equal(["x"], diff.Listeners.Removed);
        Assert.Equal(["y"], diff.Listeners.Changed);
        Assert.True(diff.Pools.IsEmpty);
        Assert.Contains(new ConfigurationChange("actorlb.listeners.y.backlog", "4096", "5"), diff.Changes);
    }

    [Fact]
    public void Between_OtherBackends_NamesThePoolAndEachChange()
    {
        var diff = Diff("pools.a.backends = [{ address = \"h:1\", weight = 2 }]");

        Assert.Equal(["a"], diff.Pools.Changed);
        Assert.Contains(new ConfigurationChange("actorlb.pools.a.backends[0].weight", "1", "2"), diff.Changes);
        Assert.Contains(new ConfigurationChange("actorlb.pools.a.backends[1].address", "\"h:2\"", null), diff.Changes);
        Assert.Empty(diff.RestartRequired);
    }

    [Fact]
    public void Between_PoolsWhoseNamesBeginAlike_TellsThemApart() => Assert.Equal(["a.b"], Diff("pools.\"a.b\".balance = random").Pools.Changed);

    [Theory]
    [InlineData("node.workers = 2", "actorlb.node.workers")]
    [InlineData("node { data-dir = other, pid-file = \"data/actorlb.pid\" }", "actorlb.node.data-dir")]
    [InlineData("node.name = m", "actorlb.node.name")]
    [InlineData("admin.bind = \"127.0.0.1:1\"", "actorlb.admin.bind")]
    [InlineData("cluster.zone = z", "actorlb.cluster.zone")]
    [InlineData("sticky.ttl = 1h", "actorlb.sticky.ttl")]
    [InlineData("sticky.max-entries = 7000", "actorlb.sticky.max-entries")]
    [InlineData("log.format = json", "actorlb.log.format")]
    [InlineData("cluster.down-after = 9s", "actorlb.cluster.down-after")]
    public void Between_WhatIsFixedAtTheStart_RequiresARestart(string text, string path) => Assert.Equal([path], Diff(text).RestartRequired);

    [Theory]
    [InlineData("node.drain-timeout = 1s")]
    [InlineData("log.level = debug")]
    [InlineData("admin.token-file = secret")]
    [InlineData("pools.a.connects-per-second = 100")]
    [InlineData("pools.a.connect-queue.length = 100")]
    [InlineData("pools.a.connect-queue.timeout = 3s")]
    public void Between_WhatAReloadCanChange_RequiresNoRestart(string text)
    {
        var diff = Diff(text);

        Assert.Single(diff.Changes);
        Assert.Empty(diff.RestartRequired);
    }

    [Fact]
    public void Between_OtherDamping_RequiresNoRestart()
    {
        Assert.Equal("actorlb.sticky.damping.delay", Assert.Single(Diff("sticky.damping.delay = 9s", "sticky.damping.delay = 8s").Changes).Path);
        Assert.Empty(Diff("sticky.damping = on").RestartRequired);
    }

    [Fact]
    public void Between_OtherPasswords_DiffersWithoutShowingThem()
    {
        var diff = Diff("listeners.y.rewrite.password = hunter2", "listeners.y.rewrite.password = hunter3");

        Assert.Equal([new ConfigurationChange("actorlb.listeners.y.rewrite.password", "\"******\"", "\"******\"")], diff.Changes);
        Assert.Equal(["y"], diff.Listeners.Changed);
    }

    private ConfigurationDiff Diff(string next, string old = "")
    {
        _folder.WriteFiles("secret");
        return ConfigurationDiff.Between(_folder.LoadValid($"actorlb {{ {Base}\n{old} }}"), _folder.LoadValid($"actorlb {{ {Base}\n{next} }}"));
    }
}
