using System.CommandLine;
using ActorLb.Cli;
using ActorLb.Cli.Commands;
using ActorLb.Cli.Output;
using ActorLb.Cli.Prompt;
using ServerExamples = ActorLb.Server.Commands.Examples;

namespace ActorLb.Tests.Cli;

/// <summary>Every command's help ends with what it looks like in use, and what stands there can be typed.</summary>
public sealed class ExamplesTests
{
    private readonly StringWriter _output = new();
    private readonly CommandTree _tree;

    public ExamplesTests() => _tree = new CommandTree(new Screen(_output, _output, isTerminal: false, () => 80), (_, _) => Task.FromResult(0));

    [Fact]
    public async Task EveryCommand_HasAnExampleInItsHelp_ThatParsesAsThatCommand()
    {
        string[] commands = [.. Leaves(_tree.Root).Select(Examples.PathOf)];
        Assert.True(commands.Length > 35, string.Join(", ", commands));
        foreach (string command in commands)
        {
            string[] examples = Examples.Of(command);
            Assert.True(examples.Length > 0, $"{command} has no example: add one to Examples.cs");
            foreach (string example in examples)
            {
                string[]? words = Words.Split(example, out string? problem)?.ToArray();
                Assert.True(words is ["pbm", ..], $"{example}: {problem}");
                var parsed = _tree.Parse(words![1..]);
                Assert.True(parsed.Errors.Count == 0, $"{example}: {string.Join("; ", parsed.Errors)}");
                Assert.Equal(command, Examples.PathOf(parsed.CommandResult.Command));
            }
            _output.GetStringBuilder().Clear();
            Assert.Equal(0, await _tree.RunAsync(_tree.Parse([.. command.Split(' '), "--help"]), TestContext.Current.CancellationToken));
            string help = _output.ToString();
            Assert.All(examples, e => Assert.Contains($"\n  {e}\n", help, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Group_HasNoExamples_ButItsHelp()
    {
        Assert.Equal(0, await _tree.RunAsync(_tree.Parse(["pool", "--help"]), TestContext.Current.CancellationToken));
        Assert.Contains("Commands:", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Example", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task EveryCommandOfActorLb_HasOne_Too()
    {
        var root = ActorLb.Server.Program.Tree();
        foreach (string command in Leaves(root).Select(ServerExamples.PathOf))
        {
            string[] examples = ServerExamples.Of(command);
            Assert.True(examples.Length > 0, $"{command} has no example: add one to Examples.cs");
            Assert.All(examples, e =>
            {
                string[] words = e.Split(' ');
                var parsed = root.Parse(words[1..]);
                Assert.True(words[0] == "actorlb" && parsed.Errors.Count == 0, $"{e}: {string.Join("; ", parsed.Errors)}");
                Assert.Equal(command, ServerExamples.PathOf(parsed.CommandResult.Command));
            });
            using var help = new StringWriter();
            Assert.Equal(0, await root.Parse([.. command.Split(' '), "--help"]).InvokeAsync(new InvocationConfiguration { Output = help }, TestContext.Current.CancellationToken));
            Assert.All(examples, e => Assert.Contains($"\n  {e}\n", help.ToString(), StringComparison.Ordinal));
        }
    }

    private static IEnumerable<Command> Leaves(Command command) =>
        command.Subcommands.Count == 0 ? [command] : command.Subcommands.SelectMany(Leaves);
}
