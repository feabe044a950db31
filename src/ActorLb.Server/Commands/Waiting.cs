using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

/// <summary>Says on standard error what a command waits for: after a moment, and then now and again when it is something else.</summary>
/// <param name="usual">What the node is waited for while it says nothing of its own.</param>
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
        // A node that says nothing any more is about to be done.
        string? text = ProgressFile.Read(pidFile) is { } own ? $": it {SafeText.OfMessage(own)}" : _said is null ? usual : null;
        if (text is null || text == _said) return;
        _said = text;
        Console.Error.WriteLine($"waiting for the node (process {pid}){text}");
    }
}
