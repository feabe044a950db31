using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace ActorLb.Tests.Configuration;

/// <summary>The files of the repository's <c>hocon</c> folder, copied to where their certificates can be made.</summary>
internal static class HoconFolder
{
    public static string Root([CallerFilePath] string thisFile = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "../../../hocon"));

    public static string Read(string name) => File.ReadAllText(Path.Combine(Root(), name));

    /// <summary>Every file under certs/ that the text names.</summary>
    public static string[] Files(string text) =>
        [.. Regex.Matches(text, "\"(?<file>certs/[^\"]+)\"", RegexOptions.None, TimeSpan.FromSeconds(1)).Select(m => m.Groups["file"].Value).Distinct()];

    public static ConfigurationFolder Copy(string name, out string text)
    {
        var folder = new ConfigurationFolder();
        text = Read(name);
        folder.WriteFiles(Files(text));
        return folder;
    }
}
