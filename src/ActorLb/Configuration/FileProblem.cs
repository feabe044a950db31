using ActorLb.Protocol.Failures;

namespace ActorLb.Configuration;

/// <summary>Why a file cannot be read, in the system's words rather than the runtime's.</summary>
internal static class FileProblem
{
    /// <summary>Null when the file exists and can be read.</summary>
    public static string? Find(string file)
    {
        try
        {
            FileReading.Note(file);
            InputFile.Demand(file);
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 1);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            return Describe(e, file);
        }
    }

    public static string Describe(Exception e, string file) => FileFailure.Describe(e, file);
}
