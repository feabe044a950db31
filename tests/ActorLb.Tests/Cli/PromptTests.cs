using ActorLb.Cli;
using ActorLb.Cli.Commands;
using ActorLb.Cli.Output;
using ActorLb.Cli.Prompt;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;

namespace ActorLb.Tests.Cli;

public sealed class PromptTests
{
    [Theory]
    [InlineData("", "actor,ban,cluster,cluster-sharding,completion,config,exit,help,listener,node,pool,session,sticky")]
    [InlineData("cl", "cluster,cluster-sharding")]
    [InlineData("pool ", "add,down,drain,list,pause,rebalance,remove,resume,show,up,weight")]
    [InlineData("pool pause ", "a:1,a:2,b:1,emqx")]
    [InlineData("pool rebalance e", "emqx")]
    [InlineData("pool d", "down,drain")]
    [InlineData("help pool dr", "drain")]
    [InlineData("help ", "actor,ban,cluster,cluster-sharding,completion,config,help,listener,node,pool,session,sticky")]
    [InlineData("sticky set \"some client\" b", "b:1")]
    [InlineData("pool drain a:1 --d", "--deadline")]
    [InlineData("node d", "drain")]
    [InlineData("pool show ", "emqx,plain")]
    [InlineData("pool show e", "emqx")]
    [InlineData("pool show emqx ", "")]
    [InlineData("pool drain a", "a:1,a:2")]
    [InlineData("sticky set some-client a:1", "a:1")]
    [InlineData("sticky get c --pool ", "emqx,plain")]
    [InlineData("--json pool show ", "emqx,plain")]
    [InlineData("--host x pool l", "list")]
    [InlineData("session list --f", "--filter")]
    [InlineData("node log-level d", "debug")]
    [InlineData("nothing ", "")]
    public void Completion_TellsWhatMayFollow(string line, string expected)
    {
        var tree = new CommandTree(Quiet(), (_, _) => Task.FromResult(0))
        {
            Names = (_, place) => place switch
            {
                "POOL" or "P" => ["emqx", "plain"],
                "B" => ["a:1", "a:2", "b:1"],
                "TARGET" => ["a:1", "a:2", "b:1", "emqx"],
                "LEVEL" => NodeCommands.LogLevels,
                _ => [],
            },
        };
        Assert.Equal(expected, string.Join(',', new Completion(tree).Find(line).Words));
    }

    [Fact]
    public void Candidates_CommonStart_IsWhatAllBeginWith()
    {
        Assert.Equal("d", new Candidates(0, ["down", "drain"]).CommonStart);
        Assert.Equal("", new Candidates(0, ["a", "b"]).CommonStart);
        Assert.Equal("only", new Candidates(0, ["only"]).CommonStart);
    }

    [Fact]
    public void History_IsKeptInAFileOfItsOwner_RepeatsAside()
    {
        using var folder = new TempFolder();
        string path = folder["state/pbm/history"];
        var history = new LineHistory(path);
        foreach (string line in new[] { "a", "a", "", "b" }) history.Add(line);
        Assert.Equal(["a", "b"], new LineHistory(path).Lines);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));

        for (int i = 0; i < LineHistory.Kept + 5; i++) history.Add($"line {i}");
        Assert.Equal(LineHistory.Kept, new LineHistory(path).Lines.Count);
        Assert.Equal($"line {LineHistory.Kept + 4}", new LineHistory(path).Lines[^1]);
    }

    [Fact]
    public void History_PlaceCannotBeWritten_IsDoneWithout()
    {
        var history = new LineHistory("/dev/null/pbm/history");
        history.Add("a");
        Assert.Equal(["a"], history.Lines);
    }

    [Theory]
    [InlineData("plain größe ☃", "plain größe ☃")]
    [InlineData("\u001b[2Jx", "\\u001b[2Jx")]
    [InlineData("a\nb\u009bc", "a\\u000ab\\u009bc")]
    [InlineData("evil\u202egnp", "evil\\u202egnp")]
    [InlineData(null, "-")]
    public void Printable_LeavesNoEscapes(string? text, string shown) => Assert.Equal(shown, Printable.Of(text));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1500, "1.5 kB")]
    [InlineData(999_960, "1.0 MB")]
    public void Bytes_HaveAUnit(long bytes, string shown) => Assert.Equal(shown, Printable.Bytes(bytes));

    [Theory]
    [InlineData(-1, "0s")]
    [InlineData(1.5, "1.5s")]
    [InlineData(75, "1m 15s")]
    [InlineData(3_661, "1h 1m")]
    [InlineData(90_000, "1d 1h")]
    public void Time_HasItsTwoLargestUnits(double seconds, string shown) => Assert.Equal(shown, Printable.Time(seconds));

    [Fact]
    public void Shards_NeighboursOfOneOwner_StandInOneRow()
    {
        ShardInfo[] shards = [new(0, "a", "b", null, 1, 1), new(1, "a", "b", null, 2, 1), new(2, "b", "a", null, null, 1), new(4, "b", "a", null, null, 1)];
        Assert.Equal([["0-1", "a", "b", "-", "3"], ["2", "b", "a", "-", "-"], ["4", "b", "a", "-", "-"]], ShardingCommands.Runs(shards));
    }

    [Theory]
    [InlineData("a:1", "backends/a%3A1/up")]
    [InlineData("emqx/[::1]:1883", "backends/%5B%3A%3A1%5D%3A1883/up?pool=emqx")]
    public void BackendName_BecomesAPath(string text, string path) => Assert.Equal(path, BackendName.Parse(text).Path("up"));

    private static Screen Quiet() => new(TextWriter.Null, TextWriter.Null, isTerminal: false);
}
