using System.CommandLine;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Cli;

/// <summary>Options that take a number with a unit.</summary>
internal static class UnitOptions
{
    public static Option<TimeSpan?> Duration(string name, string description) => Create(
        name, "DURATION", $"{description}; such as 90s, 10m or 1h (a plain number is in seconds)", DurationText.Parse, "a duration such as 90s, 10m or 1h");

    public static Option<double?> Rate(string name, string description) => Create(
        name, "RATE", $"{description}; such as 50/s or 600/m (a plain number is per second)", RateText.Parse, "a rate above 0 such as 50/s or 600/m");

    private static Option<T?> Create<T>(string name, string helpName, string description, Func<string, T?> parse, string expected)
        where T : struct => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (parse(text) is { } value) return value;
                result.AddError($"{name}: '{text}' is not {expected}");
                return null;
            },
        };
}
