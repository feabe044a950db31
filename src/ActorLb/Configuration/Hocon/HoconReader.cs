using System.Collections;

namespace ActorLb.Configuration.Hocon;

/// <summary>Exactly one of the two is null.</summary>
internal readonly record struct HoconResult(HoconObject? Root, HoconError? Error);

/// <summary>
/// HOCON, whole: the public specification of the Lightbend configuration library, HOCON.md, whose section titles the comments
/// quote. Files alone can be included. Bad input of any kind is an error value with its position.
/// </summary>
internal static class HoconReader
{
    /// <param name="environment">What substitutions fall back to; null is the environment of the process.</param>
    /// <param name="pipes">Whether the file itself may be a pipe; included ones may not.</param>
    public static HoconResult ReadFile(string file, IReadOnlyDictionary<string, string>? environment = null, bool pipes = false)
    {
        try
        {
            string text = HoconFile.ReadText(file, new SourcePosition(file, 1, 1), "", pipes);
            return Read(text, file, environment);
        }
        catch (HoconException e)
        {
            return new HoconResult(null, e.Error);
        }
    }

    /// <param name="file">Name in positions; includes are relative to its directory.</param>
    public static HoconResult ReadText(string text, string file, IReadOnlyDictionary<string, string>? environment = null)
    {
        try
        {
            return Read(text, file, environment);
        }
        catch (HoconException e)
        {
            return new HoconResult(null, e.Error);
        }
    }

    private static HoconResult Read(string text, string file, IReadOnlyDictionary<string, string>? environment)
    {
        ObjectSyntax syntax = new HoconIncludes().ParseRoot(text, file);
        return new HoconResult(new HoconResolver(syntax, environment ?? ProcessEnvironment()).Resolve(), null);
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
