using System.Collections;
using System.Collections.Immutable;

namespace ActorLb.Configuration.Hocon;

/// <summary>Exactly one of the two is null.</summary>
/// <param name="Error">The first error.</param>
internal readonly record struct HoconResult(HoconObject? Root, HoconError? Error)
{
    /// <summary>All errors found.</summary>
    public ImmutableArray<HoconError> Errors { get; init; } = Error is null ? [] : [Error];

    public ImmutableArray<HoconError> Warnings { get; init; } = [];

    /// <summary>After errors: the configuration without what they concern, for finding further ones. Null where it would mislead.</summary>
    public HoconObject? Rest { get; init; }
}

/// <summary>
/// A complete HOCON reader, after the public specification of the Lightbend configuration library, HOCON.md, whose section titles the
/// comments quote. Only files can be included. Bad input of any kind gives an error value with its position.
/// </summary>
internal static class HoconReader
{
    /// <param name="environment">Fallback for substitutions; null for the environment of the process.</param>
    /// <param name="pipes">Whether the file itself may be a pipe; included files may not.</param>
    public static HoconResult ReadFile(string file, IReadOnlyDictionary<string, string>? environment = null, bool pipes = false)
    {
        string text;
        try
        {
            text = HoconFile.ReadText(file, new SourcePosition(file, 1, 1), "", pipes);
        }
        catch (HoconException e)
        {
            return new HoconResult(null, e.Error);
        }
        return ReadText(text, file, environment);
    }

    /// <param name="file">Name in positions; includes are relative to its directory.</param>
    public static HoconResult ReadText(string text, string file, IReadOnlyDictionary<string, string>? environment = null)
    {
        var findings = new HoconFindings();
        HoconObject? root = null;
        try
        {
            var syntax = new HoconIncludes(findings).ParseRoot(text, file);
            if (!findings.Tangled) root = new HoconResolver(syntax, environment ?? ProcessEnvironment(), findings).Resolve();
        }
        catch (HoconException e)
        {
            if (e is not HoconGivenUpException) findings.Errors.Add(e.Error);
            root = null;
        }
        bool whole = findings.Errors.Count == 0;
        return new HoconResult(whole ? root : null, whole ? null : findings.Errors[0])
        {
            Errors = [.. findings.Errors],
            Warnings = [.. findings.Warnings],
            Rest = whole ? null : root,
        };
    }

    private static Dictionary<string, string> ProcessEnvironment()
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            result[(string)variable.Key] = (string?)variable.Value ?? "";
        }
        return result;
    }
}
