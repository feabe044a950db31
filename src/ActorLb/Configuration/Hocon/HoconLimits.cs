namespace ActorLb.Configuration.Hocon;

/// <summary>Bounds that keep hostile or mistaken input from taking the stack, the memory or the day.</summary>
internal static class HoconLimits
{
    /// <summary>Objects and arrays within one another, keys with several elements included.</summary>
    public const int Nesting = 100;

    /// <summary>Files within one another by include.</summary>
    public const int IncludeNesting = 20;

    public const int IncludedFiles = 1_000;

    /// <summary>Substitutions that lead to one another.</summary>
    public const int SubstitutionNesting = 200;

    /// <summary>Steps of one resolution: a chain of doublings ends here and not in the memory.</summary>
    public const int Steps = 2_000_000;

    /// <summary>So many after an error, to find others: what lacks a value may go in circles.</summary>
    public const int StepsAfterError = 50_000;

    /// <summary>UTF-16 units of one concatenated string.</summary>
    public const int StringLength = 1 << 20;
}
