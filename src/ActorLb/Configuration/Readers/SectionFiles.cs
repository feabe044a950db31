using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>Files named by a section: relative to the directory of the configuration file that names them.</summary>
internal static class SectionFiles
{
    /// <summary>The absolute path of a file that can be read; null when absent or not readable.</summary>
    public static string? ReadableFile(this Section section, string key)
    {
        var scalar = section.FileName(key);
        return scalar is null ? null : section.Readable(section.PathOf(key), scalar);
    }

    /// <summary>The absolute paths of one file or a list of files, each with its path in the configuration; null for one that cannot be
    /// read.</summary>
    public static List<(string Path, string? File)> ReadableFiles(this Section section, string key)
    {
        var result = new List<(string, string?)>();
        foreach ((string path, var scalar) in section.Scalars(key, "a file name"))
        {
            section.Report.Locate(path, scalar.Position);
            result.Add((path, section.IsFileName(path, scalar) ? section.Readable(path, scalar) : null));
        }
        return result;
    }

    /// <summary>The absolute path of a file that the node creates.</summary>
    public static string FilePath(this Section section, string key, string absent)
    {
        var scalar = section.FileName(key);
        return scalar is null ? Resolve(section.Report.RootFile, absent) : Resolve(scalar.Position.File, scalar.Text);
    }

    public static string Resolve(string configurationFile, string name)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(configurationFile)) ?? "/";
        return Path.GetFullPath(Path.Combine(directory, name));
    }

    private static HoconScalar? FileName(this Section section, string key)
    {
        var scalar = section.Scalar(key, "a file name");
        return scalar is not null && section.IsFileName(section.PathOf(key), scalar) ? scalar : null;
    }

    private static bool IsFileName(this Section section, string path, HoconScalar scalar)
    {
        if (scalar.Text.Length > 0 && !scalar.Text.Contains('\0', StringComparison.Ordinal)) return true;
        section.Report.Error(scalar, path, "is not a file name");
        return false;
    }

    private static string? Readable(this Section section, string path, HoconScalar scalar)
    {
        string file = Resolve(scalar.Position.File, scalar.Text);
        if (FileProblem.Find(file) is not { } problem) return file;
        section.Report.Error(scalar, path, $"cannot be read: {problem}{(scalar.Text == file ? "" : $" ({file})")}");
        return null;
    }
}
