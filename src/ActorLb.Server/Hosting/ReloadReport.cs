using System.Text.Json;
using System.Text.Json.Serialization;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Server.Hosting;

/// <summary>The outcome of the latest reload, which the node writes beside its pid-file for <c>actorlb reload</c>.</summary>
/// <param name="Sequence">Reloads since the node's start; 0 is the start.</param>
internal sealed record ReloadReport(int Sequence, bool Accepted, string[] Messages)
{
    /// <summary>Full path of the file that the node reads; null in an older version's report.</summary>
    public string? Configuration { get; init; }

    public static string PathFor(string pidFile) => pidFile + ".reload";

    /// <summary>A report of a node that is gone is ignored.</summary>
    public static void Delete(string pidFile)
    {
        try
        {
            File.Delete(PathFor(pidFile));
            File.Delete(ProgressFile.PathFor(pidFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its reader waits for a later one.
        }
    }

    /// <summary>Null when there is none, or it cannot be read.</summary>
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

    /// <summary>Atomically: a reader never sees half of it.</summary>
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
