namespace ActorLb.Cli.Prompt;

/// <summary>The lines of this and earlier prompts, in a file that only its owner can read. A file that cannot be used is ignored.</summary>
internal sealed class LineHistory
{
    public const int Kept = 1000;

    private readonly List<string> _lines = [];
    private readonly string? _path;

    /// <param name="path">Null to store nothing.</param>
    public LineHistory(string? path)
    {
        _path = path;
        if (path is null) return;
        try
        {
            if (File.Exists(path)) _lines.AddRange(InputFile.ReadText("", path).Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(Kept));
        }
        catch (UsageException)
        {
            _path = null;
        }
    }

    /// <summary>XDG Base Directory Specification: state that should persist between restarts but is not important enough for a
    /// backup.</summary>
    public static string? DefaultPath
    {
        get
        {
            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            // "All paths must be absolute"; others must be ignored.
            if (!string.IsNullOrEmpty(state) && Path.IsPathRooted(state)) return Path.Combine(state, "pbm", "history");
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            return home.Length == 0 ? null : Path.Combine(home, ".local", "state", "pbm", "history");
        }
    }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<string> Lines => _lines;

    /// <summary>Adds a line, unless it repeats the previous one.</summary>
    public void Add(string line)
    {
        if (line.Length == 0 || (_lines.Count > 0 && _lines[^1] == line)) return;
        _lines.Add(line);
        if (_lines.Count > Kept) _lines.RemoveAt(0);
        if (_path is null) return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            var options = new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            };
            using var writer = new StreamWriter(_path, options);
            foreach (string kept in _lines) writer.WriteLine(kept);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The history is optional.
        }
    }
}
