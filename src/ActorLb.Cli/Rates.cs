using System.CommandLine;
using System.Globalization;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Cli;

/// <summary>Options that take a rate.</summary>
internal static class Rates
{
    public static Option<double?> Option(string name, string description) => new(name)
    {
        Description = $"{description}; such as 50/s or 600/m (a plain number is per second)",
        HelpName = "RATE",
        CustomParser = result =>
        {
            if (RateText.Parse(result.Tokens[0].Value) is { } rate) return rate;
            result.AddError($"{name}: '{result.Tokens[0].Value}' is not a rate above 0 such as 50/s or 600/m");
            return null;
        },
    };

    public static string Text(double rate) => string.Create(CultureInfo.InvariantCulture, $"{rate:0.###}/s");
}
