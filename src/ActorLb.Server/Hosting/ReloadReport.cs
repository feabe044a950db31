using System.Text.Json;
using System.Text.Json.Serialization;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Server.Hosting;

/// <summary>The outcome of the newest reload, which the node leaves beside its pid-file for <c>actorlb reload</c> to read.</summary>
/// <param name="Sequence">Reloads since the node's start; 0 is the start.</param>
internal sealed record ReloadReport(int Sequence, bool Accepted, string[] Messages)
{
    /// <summary>The file that the node reads, in full; null in the report of an older version.</summary>
    public string? Configuration { get; init; }

    public static string PathFor(string pidFile) => pidFile + ".reload";

    /// <summary>That of a node which is gone tells nothing.</summary>
    public static void Delete(string pidFile)
    {
        try
        {
            File.Delete(PathFor(pidFile));
            File.Delete(ProgressFile.PathFor(pidFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Whoever reads it looks for a later one.
        }
    }

    /// <summary>Null when there is none, or none that can be read.</summary>
    public static ReloadReport? Read(string pidFile)
    {
        try
        {
            return JsonSerializer.Deserialize(InputFile.ReadText(PathFor(pidFile)), ReloadReportJson.Default.ReloadReport);
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whole or not at all: a reader never sees half of it.</summary>
    public void Write(string pidFile)
    {
        string path = PathFor(pidFile);
        if (FileStatus.Of(path + ".new") is not (FileKind.Missing or FileKind.Regular)) File.Delete(path + ".new");
        File.WriteAllText(path + ".new", JsonSerializer.Serialize(this, ReloadReportJson.Default.ReloadReport));
        File.Move(path + ".new", path, overwrite: true);
    }
}

[JsonSerializable(typeof(ReloadReport))]
internal sealed partial class ReloadReportJson : JsonSerializerContext;
