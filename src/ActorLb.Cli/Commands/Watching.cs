using ActorLb.Cli.Output;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Commands;

/// <summary>
/// <c>--watch</c>: a command again every second until Ctrl-C. A terminal shows the newest answer in the place of the one before, never
/// more than fits; elsewhere answers follow one another. A failure is shown like an answer, and the next try may succeed.
/// </summary>
internal static class Watching
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    // ECMA-48: to the first place; erase to the end of the line; erase to the end of the screen.
    private const string Home = "\u001b[H", EndOfLine = "\u001b[K", EndOfScreen = "\u001b[J";

    /// <param name="once">Runs the command, writing to the screen that it is given.</param>
    /// <param name="inPlace">Whether an answer takes the place of the one before, where there is a terminal.</param>
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
            TimeSpan rest = Period - time.GetElapsedTime(start);
            if (rest > TimeSpan.Zero) await Task.Delay(rest, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancel.IsCancellationRequested) return ExitCodes.Done;
        }
    }

    private static string Frame(string answer, int height, DateTimeOffset now)
    {
        string[] lines = [$"every second; Ctrl-C ends. {TimeText.Of(now)}", .. answer.TrimEnd('\n').Split('\n')];
        // The last line stays free: a line's end there would scroll the first one away.
        int room = Math.Max(2, height - 1);
        IEnumerable<string> shown = lines.Length <= room ? lines : lines.Take(room - 1).Append($"... {lines.Length - room + 1} more lines");
        return Home + string.Concat(shown.Select(l => $"{l.TrimEnd('\r')}{EndOfLine}\n")) + EndOfScreen;
    }
}
