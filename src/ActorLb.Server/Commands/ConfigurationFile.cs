using System.CommandLine;
using ActorLb.Configuration;

namespace ActorLb.Server.Commands;

/// <summary>The <c>-c FILE</c> of the commands, and its reading with all errors told.</summary>
internal static class ConfigurationFile
{
    public static Option<string> Option() => new("--config", "-c") { Description = "the configuration file", Required = true, HelpName = "FILE" };

    /// <summary>Null after having told every error on standard error.</summary>
    public static ActorLbOptions? Load(string path)
    {
        ConfigurationResult result = ConfigurationLoader.Load(path);
        foreach (ConfigurationError warning in result.Warnings) Console.Error.WriteLine($"warning: {warning}");
        foreach (ConfigurationError error in result.Errors) Console.Error.WriteLine($"error: {error}");
        return result.Options;
    }
}
