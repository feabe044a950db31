using ActorLb.Cli.Output;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Commands;

/// <summary>
/// <c>--watch</c>: repeats a command every second until Ctrl-C. On a terminal each answer replaces the previous one and is cut to what
/// fits; elsewhere answers follow one another. A failure is shown like an answer, and the next try may succeed.
/// </summary>
internal static class Watching
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    // ECMA-48: cursor to the top left; erase to the end of the line; erase to the end of the screen.
    private const string Home = "\u001b[H", EndOfLine = "\u001b[K", EndOfScreen = "\u001b[J";

    /// <param name="once">Runs the command, writing to the given screen.</param>
    /// <param name="inPlace">Whether each answer replaces the previous one; needs a terminal.</param>
    public static async Task<int> RunAsync(Screen screen, bool inPlace, Func<Screen, CancellationToken, Task> once, TimeProvider time, CancellationToken cancel)
    {
        inPlace &= screen.IsTerminal;
        while (true)
        {
            long start = time.GetTimestamp();
            using var answer = new StringWriter();
            try
            {
                await once(screen.Buffered(answer, withErrors: inPlace), cancel);
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                return ExitCodes.Done;
            }
            if (!screen.Emit(inPlace ? Frame(answer.ToString(), screen.Height, time.GetUtcNow()) : answer.ToString())) return ExitCodes.Done;
            var rest = Period - time.GetElapsedTime(start);
            if (rest > TimeSpan.Zero) await Task.Delay(rest, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancel.IsCancellationRequested) return ExitCodes.Done;
        }
    }

    private static string Frame(string answer, int height, DateTimeOffset now)
    {
        string[] lines = [$"updated every second; Ctrl-C ends. {TimeText.Of(now)}", .. answer.TrimEnd('\n').Split('\n')];
        // The last line stays free: a line break there would scroll the first one away.
        int room = Math.Max(2, height - 1);
        var shown = lines.Length <= room ? lines : lines.Take(room - 1).Append($"... {lines.Length - room + 1} more lines");
        return Home + string.Concat(shown.Select(l => $"{l.TrimEnd('\r')}{EndOfLine}\n")) + EndOfScreen;
    }
}
