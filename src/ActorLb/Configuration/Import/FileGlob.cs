using System.IO.Enumeration;

namespace ActorLb.Configuration.Import;

/// <summary>File names by glob(3), as in NGINX and shells: * and ? within one name, in any part of the path; sorted.</summary>
internal static class FileGlob
{
    private const int MostFound = ImportLimits.Files;

    /// <param name="pattern">An absolute path.</param>
    public static string[] Find(string pattern)
    {
        List<string> found = ["/"];
        foreach (string part in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            bool wild = part.AsSpan().IndexOfAny("*?[") >= 0;
            found = [.. found.SelectMany(folder => wild ? Matches(folder, part) : [Path.Combine(folder, part)]).Take(MostFound + 1)];
        }
        return [.. found.Where(File.Exists).Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Matches(string folder, string part)
    {
        try
        {
            return [.. Directory().EnumerateFileSystemInfos().Select(i => i.Name)
                .Where(name => (name[0] != '.' || part[0] == '.') && IsMatch(part, name)).Select(name => Path.Combine(folder, name))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return [];
        }

        DirectoryInfo Directory() => new(folder);
    }

    private static bool IsMatch(string pattern, string name)
    {
        // Sets of characters are rare: each is replaced by ?, then the names are compared with the pattern.
        int open = pattern.IndexOf('[', StringComparison.Ordinal), close = open < 0 ? -1 : pattern.IndexOf(']', open + 1);
        if (close < 0) return FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false);
        string set = pattern[(open + 1)..close];
        return Members(set).Any(c => IsMatch(pattern[..open] + c + pattern[(close + 1)..], name));
    }

    private static IEnumerable<char> Members(string set)
    {
        for (int i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-' && set[i] < set[i + 2] && set[i + 2] < 128)
            {
                for (char c = set[i]; c <= set[i + 2]; c++) yield return c;
                i += 2;
            }
            else
            {
                yield return set[i];
            }
        }
    }
}
