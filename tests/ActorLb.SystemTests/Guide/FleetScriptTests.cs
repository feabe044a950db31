using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Guide;

/// <summary>The fleet on one machine: what it says, and what it leaves, when it works and when it does not.</summary>
[Collection(Fleet.FleetGroup.Name)]
public sealed class FleetScriptTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _temporary;

    public FleetScriptTests() => _temporary = Directory.CreateDirectory(_folder["tmp"]).FullName;

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("speed", "slow")]
    public async Task Fleet_Once_HoldsAndLeavesNothing()
    {
        (int code, string output) = await RunAsync(ActorLbProcess.Program);
        Assert.True(code == 0, output);
        Assert.Contains("210 connections, 30 clients, each at one broker all the time.", output, StringComparison.Ordinal);
        // The killed node leaves what its runtime had there.
        Assert.Empty(Directory.EnumerateDirectories(_temporary));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Fleet_WhoseNodeDoesNotStart_SaysWhichAndKeepsTheLogs()
    {
        string program = Program("case $3 in */lb-2.conf) echo 'no licence to start' >&2; exit 7 ;; esac; exec \"$real\" \"$@\"");
        (int code, string output) = await RunAsync(program);
        Assert.Equal(1, code);
        Assert.Contains("fleet: lb-2 has ended instead of coming up", output, StringComparison.Ordinal);
        Assert.Contains("no licence to start", output, StringComparison.Ordinal);
        string kept = Assert.Single(Directory.EnumerateDirectories(_temporary));
        Assert.Contains($"fleet: the logs are kept in {kept}:", output, StringComparison.Ordinal);
        Assert.Contains("no licence to start", await File.ReadAllTextAsync(Path.Combine(kept, "lb-2.log")), StringComparison.Ordinal);
        Assert.NotEqual(0, new FileInfo(Path.Combine(kept, "lb-1.log")).Length);
    }

    /// <summary>Nodes that take clients in turn stand for a fleet that does not find their brokers.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Fleet_ThatLosesClients_NamesThemTheNodesAndTheBrokers()
    {
        string program = Program("echo 'actorlb.pools.emqx.balance = random' >> \"$3\"; exec \"$real\" \"$@\"");
        (int code, string output) = await RunAsync(program);
        Assert.Equal(1, code);
        Assert.Matches(@"through lb-2  \d+ of 30 clients not at their broker, 0 not connected", output);
        Assert.Matches(@"    client-\d+: through lb-1 at 127\.0\.0\.1:\d+, through lb-2 at 127\.0\.0\.1:\d+\n", output);
        Assert.Contains("Not every client was at its broker all the time.", output, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateDirectories(_temporary));
    }

    /// <summary>A program in front of the real one; $3 is the configuration file.</summary>
    private string Program(string script)
    {
        string path = _folder.Write("actorlb", $"#!/bin/bash\nreal='{ActorLbProcess.Program}'\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private async Task<(int Code, string Output)> RunAsync(string program)
    {
        var environment = new Dictionary<string, string?>(SystemPath.Environment, StringComparer.Ordinal)
        {
            ["ACTORLB"] = program,
            ["PBM"] = Path.Combine(AppContext.BaseDirectory, "pbm"),
            ["TMPDIR"] = _temporary,
        };
        await using var script = ProcessHost.Start("bash", [RepositoryRoot.File("deploy", "fleet.sh"), "--once"], environment);
        int code = await script.WaitForExitAsync(TimeSpan.FromMinutes(3));
        return (code, script.Output);
    }
}
