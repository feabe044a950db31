using System.CommandLine;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Cli;

/// <summary>Options that take a duration.</summary>
internal static class Durations
{
    public static Option<TimeSpan?> Option(string name, string description) => new(name)
    {
        Description = $"{description}; such as 90s, 10m or 1h (a plain number is in seconds)",
        HelpName = "DURATION",
        CustomParser = result =>
        {
            if (DurationText.Parse(result.Tokens[0].Value) is { } duration) return duration;
            result.AddError($"{name}: '{result.Tokens[0].Value}' is not a duration such as 90s, 10m or 1h");
            return null;
        },
    };
}
