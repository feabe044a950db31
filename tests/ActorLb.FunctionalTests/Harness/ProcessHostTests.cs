using System.Globalization;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Harness;

public sealed class ProcessHostTests
{
    [Fact]
    public async Task Dispose_ChildThatIgnoresTermination_EndsItAndItsChildren()
    {
        var host = ProcessHost.Start("sh", ["-c", "trap '' TERM; sleep 1000 & echo child $!; wait; wait"]);
        string line = await host.WaitForLineAsync("child ");
        int child = int.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
        Assert.True(IsAlive(child));
        await host.DisposeAsync();
        Assert.False(IsAlive(child));
    }

    [Fact]
    public async Task WaitForLine_ProcessEndsBefore_ThrowsWithItsOutput()
    {
        await using var host = ProcessHost.Start("sh", ["-c", "echo cannot go on >&2; exit 3"]);
        var error = await Assert.ThrowsAsync<ProcessEndedException>(() => host.WaitForLineAsync("ready"));
        Assert.Contains("cannot go on", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, await host.WaitForExitAsync());
    }

    [Fact]
    public async Task Attempts_PortClash_StartsAgain()
    {
        int attempts = 0;
        string value = await Attempts.StartAsync(() => ++attempts < 3
            ? Task.FromException<string>(new ProcessEndedException("broker", 1, "Error: Address already in use"))
            : Task.FromResult("up"));
        Assert.Equal(("up", 3), (value, attempts));
    }

    [Fact]
    public async Task Reaper_TestProcessDies_EndsTheChildren()
    {
        // This very program stands in for a test run: it starts a child, tells its id and is killed.
        await using var run = ProcessHost.Start(Environment.ProcessPath!, ["-method", "*.Victim_StartsAChild_TellsAndWaits", "-explicit", "only"],
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["ACTORLB_TEST_VICTIM"] = "1" });
        int child = int.Parse((await run.WaitForLineAsync("victim-child ")).Split(' ')[^1], CultureInfo.InvariantCulture);
        Assert.True(IsAlive(child));
        run.Signal(ProcessHost.SigKill);
        await WaitForEndAsync(child);
    }

    [Fact(Explicit = true)]
    public async Task Victim_StartsAChild_TellsAndWaits()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("ACTORLB_TEST_VICTIM") == "1", "Part of another test.");
        await using var child = ProcessHost.Start("sleep", ["1000"]);
        await using var output = Console.OpenStandardOutput();
        await output.WriteAsync(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\nvictim-child {child.Id}\n")));
        await output.FlushAsync();
        await child.WaitForExitAsync(TimeSpan.FromMinutes(5));
    }

    private static async Task WaitForEndAsync(int id)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (IsAlive(id))
            await Task.Delay(10, deadline.Token);
    }

    // A zombie is dead: whoever should have read its exit code is gone too.
    private static bool IsAlive(int id)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"));
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }
}
