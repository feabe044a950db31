using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

/// <summary>The commands' <c>-c FILE</c>, or just <c>FILE</c>, and reading it with all errors reported.</summary>
internal static class ConfigurationFile
{
    /// <summary>The file used when none is given.</summary>
    public const string Standard = "/etc/actorlb/actorlb.conf";

    /// <summary>Adds the file's option and argument to a command.</summary>
    /// <returns>Reads the file's name from the parsed command line.</returns>
    public static Func<ParseResult, string> AddTo(Command command)
    {
        var option = new Option<string?>("--config", "-c") { Description = $"the configuration file ({Standard})", HelpName = "FILE" };
        var argument = new Argument<string?>("FILE") { Description = "the configuration file, as with -c", Arity = ArgumentArity.ZeroOrOne };
        command.Add(option);
        command.Add(argument);
        command.Validators.Add(result =>
        {
            // An option without its value is an error of its own, and has none to ask for.
            if (result.GetResult(option) is { Tokens.Count: > 0 } && result.GetValue(argument) is { } other) result.AddError($"a second file, {SafeText.OfMessage(other)}, in addition to -c");
        });
        return result => result.GetValue(option) ?? result.GetValue(argument) ?? Standard;
    }

    /// <summary>Null after reporting every error on standard error.</summary>
    /// <param name="warn">Whether to report warnings too.</param>
    /// <param name="pipes">Whether the file may be a pipe: /dev/stdin, or a shell's &lt;(...).</param>
    public static ActorLbOptions? Load(string path, bool warn = true, bool pipes = false) =>
        Tell(() => ConfigurationLoader.Load(path, pipes: pipes), warn, Console.Error);

    /// <summary>The same, including the contents of the files that it names, for commands that use them.</summary>
    public static ActorLbOptions? LoadWithFiles(string path) => Tell(() => NamedFiles.Check(ConfigurationLoader.Load(path)), warn: true, Console.Error);

    /// <summary>The same, with every check that is possible without running it.</summary>
    /// <param name="portable">It is for another machine: nothing that this one lacks is reported.</param>
    /// <param name="errors">Receives errors and warnings.</param>
    public static ActorLbOptions? Check(string path, bool portable, TextWriter errors) => Tell(
        () =>
        {
            var result = NamedFiles.Check(ConfigurationLoader.Load(path, pipes: true));
            return portable ? result : MachineChecks.Check(result);
        },
        warn: true, errors);

    private static ActorLbOptions? Tell(Func<ConfigurationResult> load, bool warn, TextWriter errors)
    {
        ConfigurationResult result;
        try
        {
            result = FileReading.Run(load);
        }
        catch (IOException e)
        {
            errors.WriteLine($"error: {SafeText.OfMessage(e.Message)}");
            return null;
        }
        // They contain values, which may come from someone else.
        foreach (var warning in warn ? result.Warnings : []) errors.WriteLine($"warning: {SafeText.OfMessage(warning.ToString())}");
        foreach (var error in result.Errors) errors.WriteLine($"error: {SafeText.OfMessage(error.ToString())}");
        return result.Options;
    }
}
