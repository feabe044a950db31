using System.Text.RegularExpressions;

namespace ActorLb.Protocol.Failures;

/// <summary>Why a file or directory cannot be read, written or created, in the system's words rather than the runtime's.</summary>
public static partial class FileFailure
{
    /// <param name="file">Empty when unknown.</param>
    public static string Describe(Exception e, string file) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => $"{Subject(e, file)}it does not exist",
        _ when file.Length > 0 && Directory.Exists(file) => "it is a directory",
        UnauthorizedAccessException => $"{Subject(e, file)}permission denied",
        PathTooLongException => "its name is too long",
        IOException when e.Message.Contains("being used by another process", StringComparison.Ordinal) => "another program is using it",
        IOException when Named().Match(e.Message) is { Success: true } named => Lower(named.Groups["text"].Value),
        NotSupportedException or ArgumentException => "it is not a usable file",
        _ => e.Message,
    };

    /// <summary>For a file or directory that was to be created.</summary>
    public static string DescribeMaking(Exception e, string file) =>
        e is DirectoryNotFoundException ? "its parent directory does not exist and cannot be created" : Describe(e, file);

    /// <summary>The path that the runtime names, where the caller names none.</summary>
    private static string Subject(Exception e, string file) =>
        file.Length == 0 && Path().Match(e.Message) is { Success: true } path ? $"{path.Groups["path"].Value}: " : "";

    private static string Lower(string text) => text.Length > 1 && char.IsLower(text[1]) ? char.ToLowerInvariant(text[0]) + text[1..] : text;

    [GeneratedRegex("path '(?<path>.+)'", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Path();

    /// <summary>The system's message, without the file name that the runtime appends.</summary>
    [GeneratedRegex("^(?<text>.+?) : '.*'$", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Named();
}
