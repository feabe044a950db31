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
        File.WriteAllBytes(path + ".new", ToJson());
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>Without the serializer, whose first use costs more than everything else about this file, and every start writes one.</summary>
    private byte[] ToJson()
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteNumber(nameof(Sequence), Sequence);
            json.WriteBoolean(nameof(Accepted), Accepted);
            json.WriteStartArray(nameof(Messages));
            foreach (string message in Messages) json.WriteStringValue(message);
            json.WriteEndArray();
            json.WriteString(nameof(Configuration), Configuration);
            json.WriteEndObject();
        }
        return bytes.ToArray();
    }
}

[JsonSerializable(typeof(ReloadReport))]
internal sealed partial class ReloadReportJson : JsonSerializerContext;
