using System.Collections.Immutable;
using ActorLb.Native;

namespace ActorLb.Configuration.Hocon;

/// <summary>The files of one configuration and the include statements that lead to them ("Includes").</summary>
internal sealed class HoconIncludes(HoconFindings findings)
{
    private readonly List<string> _open = [];
    private int _count;

    public HoconFindings Findings => findings;

    /// <summary>The main file.</summary>
    public ObjectSyntax ParseRoot(string text, string file)
    {
        _open.Add(Path.GetFullPath(file));
        var result = new HoconParser(new HoconScanner(text, file), this, [], 0).ParseFile("");
        _open.RemoveAt(_open.Count - 1);
        return result;
    }

    /// <summary>Reads an include statement, the word ahead: the content of the included files, empty when there is none.</summary>
    public ObjectSyntax Parse(HoconScanner scanner, Place place)
    {
        var start = scanner.Position;
        scanner.TryTake("include");
        scanner.SkipBlank();
        bool required = TryTakeCall(scanner, "required");
        string? kind = null;
        foreach (string candidate in (ReadOnlySpan<string>)["file", "url", "classpath"])
        {
            if (!TryTakeCall(scanner, candidate)) continue;
            kind = candidate;
            break;
        }
        var at = scanner.Position;
        if (scanner.Current != '"')
        {
            throw new HoconException(at, place.Path, "'include' must be followed by a file name in double quotes, file(\"...\") or required(...)");
        }
        string name = scanner.TakeQuoted(place.Path);
        for (int i = (required ? 1 : 0) + (kind is null ? 0 : 1); i > 0; i--)
        {
            scanner.SkipBlank();
            if (!scanner.TryTake(')')) throw new HoconException(scanner.Position, place.Path, "')' must follow the name of the included file");
        }
        if (kind is "url" or "classpath" || (kind is null && name.Contains("://", StringComparison.Ordinal)))
        {
            throw new HoconException(at, place.Path, "only files can be included: neither url() nor classpath() is supported");
        }
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal))
        {
            throw new HoconException(at, place.Path, "the name of the included file is empty or contains U+0000");
        }
        string file = Path.Combine(Path.GetDirectoryName(start.File) ?? "", name);
        return ParseFiles(file, required, at, place);
    }

    private static bool TryTakeCall(HoconScanner scanner, string name)
    {
        if (!scanner.TryTake(name + "(")) return false;
        scanner.SkipBlank();
        return true;
    }

    /// <summary>A name without extension means its .json and .conf files, merged in this order.</summary>
    private ObjectSyntax ParseFiles(string file, bool required, SourcePosition at, Place place)
    {
        var result = new ObjectSyntax(at);
        FileReading.Note(file);
        bool basename = !Path.HasExtension(file) && !IsThere(file);
        int found = 0;
        foreach (string candidate in basename ? [file + ".json", file + ".conf"] : (ReadOnlySpan<string>)[file])
        {
            if (!IsThere(candidate)) continue;
            found++;
            result.Merge(ParseOne(candidate, at, place));
        }
        if (found > 0) return result;
        string problem = Directory.Exists(file) ? $"'{file}' is a directory and cannot be included"
            : $"{(required ? "the required" : "the included")} file '{file}' does not exist";
        if (required || Directory.Exists(file)) Pass(new HoconException(at, place.Path, problem));
        else findings.Warnings.Add(new HoconError(at, place.Path, problem));
        return result;
    }

    /// <summary>Pipes and the like exist, and are refused when they are read.</summary>
    private static bool IsThere(string file) => FileStatus.Of(file) is not (FileKind.Missing or FileKind.Directory or FileKind.NoPermission);

    private ObjectSyntax ParseOne(string file, SourcePosition at, Place place)
    {
        string full = Path.GetFullPath(file);
        if (_open.Contains(full)) throw new HoconException(at, place.Path, $"'{file}' includes itself");
        if (_open.Count > HoconLimits.IncludeNesting)
        {
            throw new HoconLimitException(at, place.Path, $"includes are nested deeper than {HoconLimits.IncludeNesting} files");
        }
        if (++_count > HoconLimits.IncludedFiles)
        {
            throw new HoconLimitException(at, place.Path, $"more than {HoconLimits.IncludedFiles} files are included");
        }
        _open.Add(full);
        try
        {
            string text = HoconFile.ReadText(file, at, place.Path);
            return new HoconParser(new HoconScanner(text, file), this, place.Keys, place.Depth).ParseFile(place.Path);
        }
        catch (HoconException e) when (findings.TryPass(e))
        {
            return new ObjectSyntax(at);
        }
        finally
        {
            _open.RemoveAt(_open.Count - 1);
        }
    }

    /// <summary>This file's content is missing; the others are still read.</summary>
    private void Pass(HoconException e)
    {
        if (!findings.TryPass(e)) throw e;
    }
}
