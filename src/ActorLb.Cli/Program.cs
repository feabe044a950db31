using System.CommandLine;
using System.Globalization;
using System.Text;
using ActorLb.Cli.Output;
using ActorLb.Cli.Prompt;

namespace ActorLb.Cli;

internal static class Program
{
    /// <summary>The terminal's, or what COLUMNS says where the output is none.</summary>
    private static int WidthOfOutput()
    {
        int width = !Console.IsOutputRedirected ? Console.WindowWidth
            : int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out int columns) ? columns : 0;
        return width > 0 ? width : Screen.Unfolded;
    }

    private static async Task<int> Main(string[] arguments)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var screen = new Screen(Console.Out, Console.Error, isTerminal: !Console.IsOutputRedirected, WidthOfOutput);
        using var interruption = new Interruption();
        CommandTree tree = null!;
        tree = new CommandTree(screen, (parsed, _) => new Shell(tree, screen, interruption).RunAsync(parsed, arguments));
        return await tree.RunAsync(tree.Parse(arguments), interruption.Begin());
    }
}
