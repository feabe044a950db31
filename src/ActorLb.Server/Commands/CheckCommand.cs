using System.CommandLine;

namespace ActorLb.Server.Commands;

internal static class CheckCommand
{
    public static Command Create()
    {
        var command = new Command("check", "Check a configuration file, which may be a pipe such as /dev/stdin, and report all its errors.");
        var file = ConfigurationFile.AddTo(command);
        var portable = new Option<bool>("--portable")
        {
            Description = "the file is for another machine: don't warn about addresses, directories and permissions missing on this one",
        };
        command.Add(portable);
        command.SetAction(result => Check(file(result), result.GetValue(portable), Console.Out, Console.Error));
        return command;
    }

    /// <summary>Returns the exit code.</summary>
    public static int Check(string path, bool portable, TextWriter output, TextWriter errors)
    {
        if (ConfigurationFile.Check(path, portable, errors) is not { } options) return 1;
        output.WriteLine($"{path}: the configuration is valid ({Count(options.Listeners.Count, "listener")}, {Count(options.Pools.Count, "pool")})");
        return 0;
    }

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";
}
