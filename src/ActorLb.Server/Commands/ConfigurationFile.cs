using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

/// <summary>The <c>-c FILE</c> of the commands, or <c>FILE</c> alone, and its reading with all errors told.</summary>
internal static class ConfigurationFile
{
    /// <summary>Where a node's file is when none is named.</summary>
    public const string Standard = "/etc/actorlb/actorlb.conf";

    /// <summary>Gives a command its file.</summary>
    /// <returns>Reads the file's name from what the command was given.</returns>
    public static Func<ParseResult, string> AddTo(Command command)
    {
        var option = new Option<string?>("--config", "-c") { Description = $"the configuration file ({Standard})", HelpName = "FILE" };
        var argument = new Argument<string?>("FILE") { Description = "the same", Arity = ArgumentArity.ZeroOrOne };
        command.Add(option);
        command.Add(argument);
        command.Validators.Add(result =>
        {
            if (result.GetValue(option) is not null && result.GetValue(argument) is { } other) result.AddError($"a second file, {SafeText.OfMessage(other)}, beside -c");
        });
        return result => result.GetValue(option) ?? result.GetValue(argument) ?? Standard;
    }

    /// <summary>Null after having told every error on standard error.</summary>
    /// <param name="warn">Whether to tell warnings too.</param>
    /// <param name="pipes">Whether the file may be a pipe: /dev/stdin, or what a shell makes of &lt;(...).</param>
    public static ActorLbOptions? Load(string path, bool warn = true, bool pipes = false) =>
        Tell(() => ConfigurationLoader.Load(path, pipes: pipes), warn, Console.Error);

    /// <summary>The same, with what the files that it names hold: for what uses them.</summary>
    public static ActorLbOptions? LoadWithFiles(string path) => Tell(() => NamedFiles.Check(ConfigurationLoader.Load(path)), warn: true, Console.Error);

    /// <summary>The same, with all that can be said of the file without running it.</summary>
    /// <param name="portable">It is for another machine: what this one lacks is not told.</param>
    /// <param name="errors">Takes errors and warnings.</param>
    public static ActorLbOptions? Check(string path, bool portable, TextWriter errors) => Tell(
        () =>
        {
            ConfigurationResult result = NamedFiles.Check(ConfigurationLoader.Load(path, pipes: true));
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
        // Values are shown in them, which may be of another's choosing.
        foreach (ConfigurationError warning in warn ? result.Warnings : []) errors.WriteLine($"warning: {SafeText.OfMessage(warning.ToString())}");
        foreach (ConfigurationError error in result.Errors) errors.WriteLine($"error: {SafeText.OfMessage(error.ToString())}");
        return result.Options;
    }
}
