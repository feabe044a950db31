using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

/// <summary>The <c>-c FILE</c> of the commands, and its reading with all errors told.</summary>
internal static class ConfigurationFile
{
    public static Option<string> Option() => new("--config", "-c") { Description = "the configuration file", Required = true, HelpName = "FILE" };

    /// <summary>Null after having told every error on standard error.</summary>
    /// <param name="warn">Whether to tell warnings too.</param>
    public static ActorLbOptions? Load(string path, bool warn = true) => Tell(ConfigurationLoader.Load(path), warn);

    /// <summary>The same, with what the files that it names hold: for what uses them.</summary>
    public static ActorLbOptions? LoadWithFiles(string path) => Tell(NamedFiles.Check(ConfigurationLoader.Load(path)), warn: true);

    private static ActorLbOptions? Tell(ConfigurationResult result, bool warn)
    {
        foreach (ConfigurationError warning in warn ? result.Warnings : []) Console.Error.WriteLine($"warning: {warning}");
        foreach (ConfigurationError error in result.Errors) Console.Error.WriteLine($"error: {error}");
        return result.Options;
    }
}
