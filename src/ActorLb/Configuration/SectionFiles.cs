using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration;

/// <summary>Files named by a section: relative to the directory of the configuration file that names them.</summary>
internal static class SectionFiles
{
    /// <summary>The absolute path of a file that can be read; null when absent or not readable.</summary>
    public static string? ReadableFile(this Section section, string key)
    {
        HoconScalar? scalar = section.FileName(key);
        if (scalar is null) return null;
        string file = Resolve(scalar.Position.File, scalar.Text);
        if (FileProblem.Find(file) is not { } problem) return file;
        section.Error(key, scalar, $"cannot be read: {problem}{(scalar.Text == file ? "" : $" ({file})")}");
        return null;
    }

    /// <summary>The absolute path of what the node makes itself.</summary>
    public static string FilePath(this Section section, string key, string absent)
    {
        HoconScalar? scalar = section.FileName(key);
        return scalar is null ? Resolve(section.Report.RootFile, absent) : Resolve(scalar.Position.File, scalar.Text);
    }

    public static string Resolve(string configurationFile, string name)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(configurationFile)) ?? "/";
        return Path.GetFullPath(Path.Combine(directory, name));
    }

    private static HoconScalar? FileName(this Section section, string key)
    {
        HoconScalar? scalar = section.Scalar(key, "a file name");
        if (scalar is null) return null;
        if (scalar.Text.Length > 0 && !scalar.Text.Contains('\0', StringComparison.Ordinal)) return scalar;
        section.Error(key, scalar, "is not a file name");
        return null;
    }
}
