using System.CommandLine;
using System.Globalization;
using System.Text;
using ActorLb.Cli.Output;
using ActorLb.Cli.Prompt;
using Microsoft.Win32.SafeHandles;

namespace ActorLb.Cli;

internal static class Program
{
    /// <summary>The terminal's width, or COLUMNS when the output is not a terminal.</summary>
    private static int WidthOfOutput()
    {
        int width = !Console.IsOutputRedirected ? Console.WindowWidth
            : int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out int columns) ? columns : 0;
        return width > 0 ? width : Screen.Unfolded;
    }

    /// <summary>A terminal that reports no height gets no limit.</summary>
    private static int HeightOfOutput() => Console.WindowHeight is > 0 and var height ? height : int.MaxValue;

    /// <summary>
    /// The console silently ignores writes to a pipe whose reader is gone, so a command that runs until interrupted would never end.
    /// A file is left to the console, which shares its file position with standard error.
    /// </summary>
    private static Func<string, bool>? Pipe()
    {
        if (!Console.IsOutputRedirected) return null;
        Stream? stream = null;
        return text =>
        {
            try
            {
                stream ??= Open();
                stream.Write(Encoding.UTF8.GetBytes(text));
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        };

        static Stream Open()
        {
            var own = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            return own.CanSeek ? Console.OpenStandardOutput() : own;
        }
    }

    private static async Task<int> Main(string[] arguments)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var screen = new Screen(Console.Out, Console.Error, isTerminal: !Console.IsOutputRedirected, WidthOfOutput, HeightOfOutput, Pipe());
        using var interruption = new Interruption();
        CommandTree tree = null!;
        tree = new CommandTree(screen, (parsed, _) => new Shell(tree, screen, interruption).RunAsync(parsed, arguments));
        return await tree.RunAsync(tree.Parse(arguments), interruption.Begin());
    }
}
