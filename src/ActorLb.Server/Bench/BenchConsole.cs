using System.Globalization;
using Spectre.Console;

namespace ActorLb.Server.Bench;

/// <summary>Output of a bench: a progress bar on a terminal, otherwise a line per second; results as plain text in both.</summary>
/// <param name="interactive">Whether <paramref name="output"/> is a terminal.</param>
internal sealed class BenchConsole(TextWriter output, bool interactive, TimeProvider time)
{
    public static BenchConsole ForProcess() => new(Console.Out, !Console.IsOutputRedirected, TimeProvider.System);

    public void Line(string text) => output.WriteLine(text);

    /// <summary>Adds a name and its value to the results.</summary>
    public void Result(string name, string value) => output.WriteLine($"{name,-12} {value}");

    public void Percentiles(string name, LatencyHistogram latencies)
    {
        if (latencies.Count == 0) return;
        Result(name, string.Join("  ", [
            "p50 " + Milliseconds(latencies.Percentile(0.5)), "p95 " + Milliseconds(latencies.Percentile(0.95)),
            "p99 " + Milliseconds(latencies.Percentile(0.99)), "p99.9 " + Milliseconds(latencies.Percentile(0.999)),
            "max " + Milliseconds(latencies.Max)]));
    }

    public void Tally(string name, BenchTally tally)
    {
        foreach ((string reason, int count) in tally.Ranked()) Result(name, $"{count} {reason}");
    }

    /// <summary>Shows progress while <paramref name="work"/> runs, and completes with its result.</summary>
    /// <param name="done">0 to 1.</param>
    public async Task FollowAsync(string title, Func<double> done, Func<string> status, Task work)
    {
        if (interactive) await FollowBarAsync(title, done, status, work);
        else await FollowLinesAsync(title, status, work);
        await work;
    }

    private async Task FollowLinesAsync(string title, Func<string> status, Task work)
    {
        while (!await EndsWithinAsync(work, TimeSpan.FromSeconds(1))) output.WriteLine($"{title}: {status()}");
    }

    private async Task FollowBarAsync(string title, Func<double> done, Func<string> status, Task work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        var text = new TaskDescriptionColumn { Alignment = Justify.Left };
        await console.Progress().Columns(text, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var bar = progress.AddTask(Markup.Escape(title), maxValue: 1);
                bool ended;
                do
                {
                    ended = await EndsWithinAsync(work, TimeSpan.FromMilliseconds(100));
                    bar.Value = done();
                    bar.Description = Markup.Escape($"{title}: {status()}");
                }
                while (!ended);
                bar.StopTask();
            });
    }

    private async Task<bool> EndsWithinAsync(Task work, TimeSpan limit)
    {
        using var cancelled = new CancellationTokenSource();
        var first = await Task.WhenAny(work, Task.Delay(limit, time, cancelled.Token));
        await cancelled.CancelAsync();
        return first == work;
    }

    private static string Milliseconds(TimeSpan value) =>
        value.TotalMilliseconds.ToString(value.TotalMilliseconds < 10 ? "0.00 'ms'" : "0.0 'ms'", CultureInfo.InvariantCulture);
}
