using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

/// <summary>Reports on standard error what a command is waiting for: after a moment, and again whenever that changes.</summary>
/// <param name="usual">What the node is expected to do while it reports no progress.</param>
internal sealed class Waiting(string pidFile, int pid, string usual)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(5);

    private TimeSpan _next = Quiet;
    private string? _said;

    public void Tell(TimeSpan waited)
    {
        if (waited < _next) return;
        _next = waited + Again;
        // A node that no longer reports progress is about to finish.
        string? text = ProgressFile.Read(pidFile) is { } own ? $": it {SafeText.OfMessage(own)}" : _said is null ? usual : null;
        if (text is null || text == _said) return;
        _said = text;
        Console.Error.WriteLine($"waiting for the node (process {pid}){text}");
    }
}
