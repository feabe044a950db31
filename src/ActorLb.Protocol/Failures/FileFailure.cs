using System.Text.RegularExpressions;

namespace ActorLb.Protocol.Failures;

/// <summary>Why a file or a folder cannot be read, written or made, in the words of the system rather than of the runtime.</summary>
public static partial class FileFailure
{
    /// <param name="file">Empty when it is not known.</param>
    public static string Describe(Exception e, string file) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => $"{Subject(e, file)}it does not exist",
        _ when file.Length > 0 && Directory.Exists(file) => "it is a directory",
        UnauthorizedAccessException => $"{Subject(e, file)}permission denied",
        PathTooLongException => "its name is too long",
        IOException when e.Message.Contains("being used by another process", StringComparison.Ordinal) => "another program holds it",
        IOException when Named().Match(e.Message) is { Success: true } named => Lower(named.Groups["text"].Value),
        NotSupportedException or ArgumentException => "it is no file that can be used",
        _ => e.Message,
    };

    /// <summary>Of a file or folder that was to be made.</summary>
    public static string DescribeMaking(Exception e, string file) =>
        e is DirectoryNotFoundException ? "the folder around it does not exist and cannot be made" : Describe(e, file);

    /// <summary>The path that the runtime names, where the caller names none.</summary>
    private static string Subject(Exception e, string file) =>
        file.Length == 0 && Path().Match(e.Message) is { Success: true } path ? $"{path.Groups["path"].Value}: " : "";

    private static string Lower(string text) => text.Length > 1 && char.IsLower(text[1]) ? char.ToLowerInvariant(text[0]) + text[1..] : text;

    [GeneratedRegex("path '(?<path>.+)'", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Path();

    /// <summary>The system's words, which the runtime ends with the file's name.</summary>
    [GeneratedRegex("^(?<text>.+?) : '.*'$", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Named();
}
