using System.CommandLine;
using System.Text;
using ActorLb.Cli.Output;
using ActorLb.Cli.Prompt;

namespace ActorLb.Cli;

internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var screen = new Screen(Console.Out, Console.Error, isTerminal: !Console.IsOutputRedirected);
        using var interruption = new Interruption();
        CommandTree tree = null!;
        tree = new CommandTree(screen, (parsed, _) => new Shell(tree, screen, interruption).RunAsync(parsed, arguments));
        return await tree.RunAsync(tree.Parse(arguments), interruption.Begin());
    }
}
