using System.Net.Http.Headers;
using System.Text;
using ActorLb.Configuration;

namespace ActorLb.Discovery.Emqx;

/// <summary>
/// An API key of EMQX in a file: one line "KEY:SECRET", as in EMQX's own bootstrap file, where ":ROLE" may follow. Empty lines and lines
/// that start with # are ignored.
/// </summary>
internal static class EmqxKey
{
    private const int Longest = 1024;

    /// <returns>The Authorization header of each request: HTTP Basic, RFC 7617.</returns>
    /// <exception cref="IOException">The file cannot be read, or contains no key or several. Its contents are not in the
    /// message.</exception>
    public static AuthenticationHeaderValue Read(string file)
    {
        string[] lines;
        try
        {
            lines = InputFile.ReadText(file).Split('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"key-file {file}: {FileProblem.Describe(e, file)}", e);
        }

        string? key = null;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            if (key is not null) throw new IOException($"key-file {file}: line {i + 1} is a second key; the file must contain one");
            string[] parts = line.Split(':');
            bool isKey = parts.Length is 2 or 3 && line.Length <= Longest && Array.TrueForAll(parts, p => p.Length > 0 && p.All(c => c is > ' ' and <= '~'));
            if (!isKey) throw new IOException($"key-file {file}: line {i + 1} is not KEY:SECRET");
            key = $"{parts[0]}:{parts[1]}";
        }

        return key is null
            ? throw new IOException($"key-file {file}: contains no key; a line KEY:SECRET is expected")
            : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes(key)));
    }
}
