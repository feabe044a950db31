using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>The files that <c>actorlb upgrade</c> and the node write for each other beside the pid-file.</summary>
internal static class UpgradeFiles
{
    public static string RequestFor(string pidFile) => pidFile + ".upgrade";

    public static string ReportFor(string pidFile) => pidFile + ".upgraded";

    /// <summary>Null when there is none, or it cannot be read.</summary>
    public static T? Read<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(InputFile.ReadText(path), type);
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Written atomically; only its owner may write it.</summary>
    public static void Write<T>(string path, T content, JsonTypeInfo<T> type)
    {
        string next = path + ".new";
        if (FileStatus.Of(next) is not FileKind.Missing) File.Delete(next);
        File.WriteAllText(next, JsonSerializer.Serialize(content, type));
        File.Move(next, path, overwrite: true);
    }

    public static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its reader checks the content.
        }
    }
}
