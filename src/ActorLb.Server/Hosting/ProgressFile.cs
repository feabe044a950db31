using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Server.Hosting;

/// <summary>What the node is doing while a command waits for it, in words that follow "it": one line beside the pid-file, for the commands
/// <c>reload</c> and <c>stop</c>. Losing it does no harm.</summary>
/// <param name="pidFile">Null to write nothing.</param>
internal sealed class ProgressFile(string? pidFile)
{
    private readonly Lock _gate = new();
    private string? _said;

    public static string PathFor(string pidFile) => pidFile + ".progress";

    /// <summary>Null when it is doing nothing of the kind, or does not report it.</summary>
    public static string? Read(string pidFile)
    {
        try
        {
            return InputFile.ReadText(PathFor(pidFile)).Trim() is { Length: > 0 } text ? text : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <param name="text">Null when it is done.</param>
    public void Say(string? text)
    {
        if (pidFile is null) return;
        lock (_gate)
        {
            if (text == _said) return;
            _said = text;
            string path = PathFor(pidFile);
            try
            {
                if (text is null)
                {
                    File.Delete(path);
                    return;
                }
                if (FileStatus.Of(path + ".new") is not (FileKind.Missing or FileKind.Regular)) File.Delete(path + ".new");
                File.WriteAllText(path + ".new", text + "\n");
                File.Move(path + ".new", path, overwrite: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The waiting command just shows less.
            }
        }
    }
}
