namespace ActorLb.Configuration.Hocon;

/// <summary>Limits that keep hostile or broken input from exhausting the stack, memory or time.</summary>
internal static class HoconLimits
{
    /// <summary>Nesting of objects and arrays, including keys with several elements.</summary>
    public const int Nesting = 100;

    /// <summary>Nesting of includes.</summary>
    public const int IncludeNesting = 20;

    public const int IncludedFiles = 1_000;

    /// <summary>Length of a chain of substitutions.</summary>
    public const int SubstitutionNesting = 200;

    /// <summary>Steps of one resolution: a chain of doublings hits this limit before it exhausts memory.</summary>
    public const int Steps = 2_000_000;

    /// <summary>Steps after an error, while looking for others: with missing values the resolution may not terminate.</summary>
    public const int StepsAfterError = 50_000;

    /// <summary>UTF-16 units of one concatenated string.</summary>
    public const int StringLength = 1 << 20;
}
