using System.Globalization;
using ActorLb.Server.Bench;
using Spectre.Console;

namespace ActorLb.Server.Demo;

/// <summary>The demo's output: bars in colour on a terminal, plain text elsewhere.</summary>
/// <param name="interactive">Whether <paramref name="output"/> is a terminal.</param>
internal sealed class DemoScreen(TextWriter output, bool interactive, TimeProvider time)
{
    private const int LongestBar = 50;

    private static readonly Color[] Colors = [Color.Green, Color.Aqua, Color.Yellow];

    private readonly BenchConsole _progress = new(output, interactive, time);

    public static DemoScreen ForProcess() => new(Console.Out, !Console.IsOutputRedirected, TimeProvider.System);

    public void Line(string text = "") => output.WriteLine(text);

    public Task FollowAsync(DemoClients clients, Task work) => _progress.FollowAsync(
        "connecting", () => (double)clients.Connected / clients.Count, () => $"{clients.Connected} of {clients.Count} clients", work);

    /// <summary>A bar for each broker, by its own count.</summary>
    public void Chart(IReadOnlyList<DemoBroker> brokers, DemoCount count)
    {
        if (interactive) Bars(brokers, count);
        else Rows(brokers, count);
    }

    private void Bars(IReadOnlyList<DemoBroker> brokers, DemoCount count)
    {
        var chart = new BarChart().Width(72).LeftAlignLabel().Label($"[bold]Where the {count.Total} clients are[/]");
        for (int i = 0; i < brokers.Count; i++) chart.AddItem(brokers[i].Address.ToString(), count.ByBroker[i], Colors[i % Colors.Length]);
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }).Write(chart);
    }

    private void Rows(IReadOnlyList<DemoBroker> brokers, DemoCount count)
    {
        Line($"Where the {count.Total} clients are");
        int most = Math.Max(1, count.ByBroker.Max());
        for (int i = 0; i < brokers.Count; i++)
        {
            int length = most <= LongestBar ? count.ByBroker[i] : (int)Math.Ceiling((double)count.ByBroker[i] * LongestBar / most);
            Line(string.Create(CultureInfo.InvariantCulture, $"  {brokers[i].Address,-18} {count.ByBroker[i],5}  {new string('#', length)}").TrimEnd());
        }
    }
}
