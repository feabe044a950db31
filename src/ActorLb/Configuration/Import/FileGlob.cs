namespace ActorLb.Configuration.Import;

/// <summary>File names by glob(3), as in NGINX and shells: *, ? and sets within one name, in any part of the path; sorted.</summary>
internal static class FileGlob
{
    /// <summary>One more than can be used, to show that there are too many.</summary>
    private const int MostFound = ImportLimits.Files + 1;

    /// <param name="pattern">An absolute path.</param>
    public static string[] Find(string pattern)
    {
        IEnumerable<string> found = ["/"];
        foreach (string part in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            bool wild = part.AsSpan().IndexOfAny("*?[") >= 0;
            found = found.SelectMany(folder => wild ? Matches(folder, part) : [Path.Combine(folder, part)]);
        }
        return [.. found.Where(File.Exists).Take(MostFound).Order(StringComparer.Ordinal)];
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

    /// <summary>As fnmatch(3). Where the rest does not fit, the last star takes one more character: earlier ones need not be tried again.</summary>
    private static bool IsMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        int at = 0, n = 0, star = -1, taken = 0;
        while (n < name.Length)
        {
            if (at < pattern.Length && pattern[at] == '*')
            {
                star = at++;
                taken = n;
            }
            else if (at < pattern.Length && IsOne(pattern[at..], name[n], out int length))
            {
                at += length;
                n++;
            }
            else if (star >= 0)
            {
                at = star + 1;
                n = ++taken;
            }
            else
            {
                return false;
            }
        }
        return pattern[at..].TrimStart('*').IsEmpty;
    }

    /// <summary>Whether the character fits what the pattern begins with.</summary>
    /// <param name="length">Of that beginning.</param>
    private static bool IsOne(ReadOnlySpan<char> pattern, char c, out int length)
    {
        length = 1;
        switch (pattern[0])
        {
            case '?':
                return true;
            case '\\' when pattern.Length > 1:
                length = 2;
                return pattern[1] == c;
            case '[':
                int first = pattern.Length > 1 && pattern[1] is '!' or '^' ? 2 : 1;
                // A bracket that comes first is a member.
                int close = pattern.Length > first ? pattern[(first + 1)..].IndexOf(']') : -1;
                if (close < 0) return c == '[';
                length = first + 1 + close + 1;
                return IsMember(pattern[first..(length - 1)], c) == (first == 1);
            default:
                return pattern[0] == c;
        }
    }

    private static bool IsMember(ReadOnlySpan<char> set, char c)
    {
        for (int i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                if (set[i] <= c && c <= set[i + 2]) return true;
                i += 2;
            }
            else if (set[i] == c)
            {
                return true;
            }
        }
        return false;
    }
}
