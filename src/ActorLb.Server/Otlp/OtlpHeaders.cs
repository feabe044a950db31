using ActorLb.Configuration;

namespace ActorLb.Server.Otlp;

/// <summary>The headers sent with each request: one "Name: value" per line; empty lines and lines that start with # are ignored.</summary>
internal static class OtlpHeaders
{
    private const int LongestValue = 8 * 1024;

    /// <exception cref="IOException">The file cannot be read, or a line is not a header. Values are secret and not part of the
    /// message.</exception>
    public static (string Name, string Value)[] Read(string? file)
    {
        if (file is null) return [];
        string[] lines;
        try
        {
            lines = InputFile.ReadText(file).Split('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"telemetry.otlp.headers-file {file}: {FileProblem.Describe(e, file)}", e);
        }
        var headers = new List<(string, string)>();
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            int colon = line.IndexOf(':');
            string name = colon < 0 ? "" : line[..colon].Trim(), value = line[(colon + 1)..].Trim();
            // RFC 9110, sections 5.1 and 5.5.
            bool isHeader = name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal))
                && value.Length is > 0 and <= LongestValue && value.All(c => c is >= ' ' and <= '~' or '\t');
            if (!isHeader) throw new IOException($"telemetry.otlp.headers-file {file}: line {i + 1} is not \"Name: value\"");
            headers.Add((name, value));
        }
        return [.. headers];
    }
}
