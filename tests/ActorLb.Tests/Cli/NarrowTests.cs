using System.CommandLine;
using ActorLb.Cli;
using ActorLb.Cli.Output;
using ActorLb.Hosting;
using ActorLb.Testing.Peers;
using ActorLb.Tests.Admin;

namespace ActorLb.Tests.Cli;

/// <summary>What commands show on a terminal of 80 columns, with names as long as those of real brokers and devices.</summary>
public sealed class NarrowTests
{
    private const int Width = 80;

    private const string Pool = "readings-of-the-northern-plants-and-their-suppliers";
    private const string Listener = "devices-of-the-northern-plants-over-the-public-network";
    private const string Broker = "emqx-core-17.messaging.production.svc.cluster.local:1883";
    private const string Client = "urn:dev:mac:0024befffe804ff1:northern-plant:hall-7:meter-4711";
    private const string Node = "lb-3.northern-plants.production.example.com";

    /// <summary>What they need beside their name; every command that is not here needs nothing.</summary>
    private static readonly Dictionary<string, string[]> Arguments = new(StringComparer.Ordinal)
    {
        ["pool show"] = [Pool],
        ["pool drain"] = [Broker, "--rate", "100/s", "--deadline", "1h"],
        ["pool rebalance"] = [Pool],
        ["pool pause"] = [Broker],
        ["pool resume"] = [Pool],
        ["pool down"] = [Broker],
        ["pool up"] = [Broker],
        ["pool weight"] = [Broker, "7"],
        ["pool add"] = ["plain", "10.0.0.77:1883"],
        ["pool remove"] = [Broker],
        ["sticky get"] = [Client],
        ["sticky set"] = [Client, Broker],
        ["sticky clear"] = [Client],
        ["sticky flush"] = [Broker],
        ["session find"] = [Client],
        ["session kick"] = [Client],
        ["listener pause"] = [Listener],
        ["listener resume"] = [Listener],
        ["cluster down"] = [Node],
        ["cluster tail"] = ["-n", "5"],
        ["config check"] = ["/nowhere"],
        ["node log-level"] = ["error"],
        ["completion"] = ["bash"],
    };

    [Fact]
    public async Task EveryCommand_FitsEightyColumns_WithoutABrokenWord()
    {
        await using var node = await AdminNode.StartAsync(more: $$"""
            node.name = {{Node}}
            pools.{{Pool}} { balance = sticky, backends = [{ address = "{{Broker}}", backup = true }, "10.0.0.1:1883"], health.probe = none }
            listeners.{{Listener}} { bind = "127.0.0.1:0", pool = {{Pool}}, max-connections = 123456 }
            """);
        using var client = await node.ConnectAsync(Client);
        string[] commands = [.. Leaves(new CommandTree(new Screen(TextWriter.Null, TextWriter.Null, isTerminal: false), (_, _) => Task.FromResult(0)).Root, "")];
        Assert.True(commands.Length > 25, string.Join(", ", commands));
        // What changes the node comes behind what shows it.
        foreach (string command in commands.Where(c => c is not ("node drain" or "help" or "completion")).OrderBy(c => c is "session kick" or "sticky clear" or "sticky flush"))
        {
            Assert.All(await LinesAsync(node, command), line =>
            {
                Assert.True(WordWrap.Cells(line) <= Width, $"{command}: {line}");
                // A piece of a name without the whole of it is a broken word.
                foreach (string name in (string[])[Pool, Listener, Broker, Client, Node])
                {
                    foreach (string piece in (string[])[name[..8], name[^8..]])
                    {
                        Assert.True(!line.Contains(piece, StringComparison.Ordinal) || line.Contains(name, StringComparison.Ordinal)
                            || (piece == name[..8] && line.Contains("example.com", StringComparison.Ordinal)), $"{command}: {line}");
                    }
                }
            });
        }
    }

    [Theory]
    [InlineData("session list", Client, "listener: mqtt", "state: established")]
    [InlineData("pool show", Broker, "weight: 1", "admin: up")]
    [InlineData("listener list", Listener, "limit: 123,456", "state: open")]
    public async Task Row_ThatIsTooWide_IsABlockUnderItsName(string command, string heading, params string[] values)
    {
        await using var node = await AdminNode.StartAsync(more: $$"""
            pools.{{Pool}} { backends = ["{{Broker}}"], health.probe = none }
            listeners.{{Listener}} { bind = "127.0.0.1:0", pool = {{Pool}}, max-connections = 123456 }
            """);
        using var client = await node.ConnectAsync(Client);
        string[] lines = await LinesAsync(node, command);
        int begin = Array.FindIndex(lines, l => l.StartsWith(heading, StringComparison.Ordinal));
        Assert.True(begin >= 0, string.Join('\n', lines));
        string block = string.Join('\n', lines.Skip(begin + 1).TakeWhile(l => l.StartsWith(' ')));
        Assert.All(values, v => Assert.Matches($@"(?m)(^|  ){v}( |$)", block));
    }

    [Fact]
    public async Task Help_OfEveryCommand_FitsEightyColumns()
    {
        using var output = new StringWriter();
        var tree = new CommandTree(new Screen(output, output, isTerminal: false, () => Width), (_, _) => Task.FromResult(0));
        foreach (string command in Leaves(tree.Root, ""))
        {
            Assert.Equal(0, await tree.RunAsync(tree.Parse([.. command.Split(' '), "--help"]), TestContext.Current.CancellationToken));
        }
        Assert.All(output.ToString().Split('\n'), line => Assert.True(line.TrimEnd().Length <= Width, line));
    }

    [Fact]
    public async Task Table_ThatFits_StaysATable()
    {
        await using var node = await AdminNode.StartAsync();
        string[] lines = await LinesAsync(node, "pool list");
        Assert.Contains(lines, l => l.Contains("balance", StringComparison.Ordinal) && l.Contains("eligible", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a bc def", 5, 0, 0, "a bc", "def")]
    [InlineData("a bc def", 5, 2, 4, "a", "  bc", "  def")]
    [InlineData("longer than that", 6, 0, 0, "longer", "than", "that")]
    [InlineData("immeasurable x", 6, 1, 0, "immeasurable", " x")]
    [InlineData("字字 字", 5, 0, 0, "字字", "字")]
    [InlineData("fits", 4, 0, 0, "fits")]
    public void Text_IsBrokenAtBlanksAlone(string text, int width, int indent, int begun, params string[] lines) =>
        Assert.Equal(lines, WordWrap.Lines(text, width, indent, begun));

    private static async Task<string[]> LinesAsync(AdminNode node, string command)
    {
        using var output = new StringWriter();
        var tree = new CommandTree(new Screen(output, output, isTerminal: false, () => Width), (_, _) => Task.FromResult(0));
        string[] arguments = Arguments.GetValueOrDefault(command) ?? [];
        var parsed = tree.Parse(["--host", node.Address.ToString(), .. command.Split(' '), .. arguments]);
        Assert.True(parsed.Errors.Count == 0, $"{command}: {string.Join("; ", parsed.Errors)}");
        await tree.RunAsync(parsed, TestContext.Current.CancellationToken);
        return output.ToString().TrimEnd('\n').Split('\n');
    }

    private static IEnumerable<string> Leaves(Command command, string path) => command.Subcommands.Count == 0
        ? [path]
        : command.Subcommands.SelectMany(c => Leaves(c, $"{path} {c.Name}".TrimStart()));
}
