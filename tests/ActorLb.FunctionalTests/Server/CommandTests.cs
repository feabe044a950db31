using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

public sealed class CommandTests
{
    [Fact]
    public async Task Check_ValidAndBroken_TellsBySentenceAndExitCode()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        var valid = await NodeFiles.RunAsync("check", files.Path);
        Assert.Equal(0, valid.ExitCode);
        Assert.Contains($"{files.Path}: the configuration is valid (1 listener, 1 pool)", valid.Lines);

        files.Write("backends = [{ address = \"127.0.0.1:1\", wieght = 3 }], balance = best", "connect-timeout = 10");
        var broken = await NodeFiles.RunAsync("check", files.Path);
        Assert.Equal(1, broken.ExitCode);
        Assert.Equal(3, broken.Lines.Count(l => l.StartsWith($"error: {files.Path}:", StringComparison.Ordinal)));
        Assert.Contains(broken.Lines, l => l.Contains("wieght", StringComparison.Ordinal) && l.Contains("did you mean 'weight'?", StringComparison.Ordinal));

        var missing = await NodeFiles.RunAsync("check", files["no-such.conf"]);
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains(missing.Lines, l => l.Contains("no-such.conf", StringComparison.Ordinal));

        var folder = await NodeFiles.RunAsync("run", Path.GetDirectoryName(files.Path)!);
        Assert.Equal(1, folder.ExitCode);
        Assert.Contains(folder.Lines, l => l.StartsWith("error: ", StringComparison.Ordinal) && l.Contains(Path.GetDirectoryName(files.Path)!, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", folder.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ShowConfig_EffectiveConfiguration_ReadsBackAndMasksSecrets()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]", "rewrite.password = \"hush-hush\"");
        var shown = await NodeFiles.RunAsync("show-config", files.Path);
        Assert.Equal(0, shown.ExitCode);
        Assert.DoesNotContain("hush-hush", shown.Output, StringComparison.Ordinal);
        Assert.Contains("max-fails", shown.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await NodeFiles.RunAsync("check", files.Add("shown.conf", shown.Output))).ExitCode);
        files.Write("nonsense = 1");
        Assert.Equal(1, (await NodeFiles.RunAsync("show-config", files.Path)).ExitCode);
    }

    /// <summary>nohup has its child ignore SIGHUP.</summary>
    [Fact]
    public async Task Reload_OfANodeStartedWithNohup_Works()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync("nohup");
        var applied = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal((0, "reloaded"), (applied.ExitCode, applied.Lines[^1]));
    }

    [Fact]
    public async Task Reload_RunningNode_AppliesOrRejectsWhole()
    {
        await using var first = FakeBroker.Start(FakeBroker.Accepting);
        await using var second = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(first));
        await using var node = await files.StartAsync();
        using var old = await files.OpenAsync("old");

        files.Write(TestNode.Backends(second));
        var applied = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal((0, "reloaded"), (applied.ExitCode, applied.Lines[^1]));
        using var young = await files.OpenAsync("young");
        Assert.Equal((1, 1), (first.Accepted, second.Accepted));

        // Bad values cannot even be sent: the command reads the file too, for its pid-file. So what only the node can know:
        await using var taken = FakeBroker.Start(FakeBroker.Accepting);
        files.Write(TestNode.Backends(first), more: $"listeners.taken {{ bind = \"{taken.EndPoint}\", pool = p }}");
        var rejected = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal(1, rejected.ExitCode);
        Assert.Contains(rejected.Lines, l => l.StartsWith("error: ", StringComparison.Ordinal) && l.Contains(taken.EndPoint.ToString(), StringComparison.Ordinal));
        Assert.Contains("rejected: the old configuration stays in force", rejected.Lines);
        using var later = await files.OpenAsync("later");
        Assert.Equal((1, 2), (first.Accepted, second.Accepted));

        // The signal alone, with a file that is broken: the node goes on.
        files.Write("balance = best");
        node.Process.Signal(ProcessHost.SigHup);
        await node.Process.WaitForLineAsync("'best'");
        foreach (var client in new[] { old, young, later })
        {
            await client.SendAsync("more"u8.ToArray());
            Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
        }

        files.Write(TestNode.Backends(second), more: "node.workers = 2");
        var restart = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal(0, restart.ExitCode);
        Assert.Contains(restart.Lines, l => l.StartsWith("warning: ", StringComparison.Ordinal) && l.Contains("workers", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("reload")]
    [InlineData("stop")]
    public async Task Signals_NoNodeRuns_SaysSo(string command)
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        var none = await NodeFiles.RunAsync(command, files.Path);
        Assert.Equal(1, none.ExitCode);
        Assert.Contains($"error: no node is running with pid-file {files["pid"]}", none.Lines);

        // A stale file whose number belongs to another program by now: it is not signalled.
        await using var stranger = ProcessHost.Start("sleep", ["1000"]);
        files.Add("pid", $"{stranger.Id}\n");
        Assert.Equal(1, (await NodeFiles.RunAsync(command, files.Path)).ExitCode);
        Assert.False(stranger.HasExited);

        files.Write("backends = [\"127.0.0.1:1\"]", more: "node.pid-file = off");
        var off = await NodeFiles.RunAsync(command, files.Path);
        Assert.Equal(1, off.ExitCode);
        Assert.Contains(off.Lines, l => l.Contains("sets no pid-file", StringComparison.Ordinal));
    }

    /// <summary>Process ids are used again, by other nodes too.</summary>
    [Theory]
    [InlineData("reload")]
    [InlineData("stop")]
    public async Task Signals_PidOfTheNodeOfAnotherFile_IsNotSignalled(string command)
    {
        using var others = new NodeFiles();
        others.Write("backends = [\"127.0.0.1:1\"]");
        await using var other = await others.StartAsync();
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        files.Add("pid", $"{other.Process.Id}\n");
        var none = await NodeFiles.RunAsync(command, files.Path);
        Assert.Equal(1, none.ExitCode);
        Assert.Contains($"error: no node is running with pid-file {files["pid"]}", none.Lines);
        Assert.False(other.Process.HasExited);
        Assert.DoesNotContain("configuration", other.Process.Output, StringComparison.Ordinal);

        // By a name that leads to the same file it is that node.
        File.Delete(files["pid"]);
        File.CreateSymbolicLink(files["pid"], others["pid"]);
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
        Assert.Equal(0, await other.Process.WaitForExitAsync());
    }

    [Fact]
    public async Task Reload_Warnings_AreToldOnceAndLogged()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        await using var node = await files.StartAsync();
        files.Write("backends = [\"127.0.0.1:1\"], connect-timeout = 1m");
        var reload = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal(0, reload.ExitCode);
        Assert.Single(reload.Lines, l => l.StartsWith("warning: ", StringComparison.Ordinal) && l.Contains("actorlb.pools.p.retry.timeout", StringComparison.Ordinal));
        await node.Process.WaitForLineAsync("actorlb.pools.p.retry.timeout");
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
        await node.Process.WaitForExitAsync();
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(files.Path)!, "pid*"));
    }

    [Theory]
    [InlineData("actorlb: no command 'chekc'; did you mean 'check'?\nsee: actorlb --help", "chekc", "-c", "x")]
    [InlineData("actorlb: no command 'xyzzy'; known: run, check, reload, stop, upgrade, show-config, import, bench, demo, completion\nsee: actorlb --help", "xyzzy")]
    [InlineData("actorlb bench: no command 'con'; did you mean 'conn'?\nsee: actorlb bench --help", "bench", "con")]
    [InlineData("actorlb check: a second file, b.conf, in addition to -c\nsee: actorlb check --help", "check", "b.conf", "-c", "a.conf")]
    [InlineData("actorlb run: Required argument missing for option: '-c'.\nsee: actorlb run --help", "run", "-c")]
    [InlineData("actorlb check: Required argument missing for option: '--config'.\nsee: actorlb check --help", "check", "b.conf", "--config")]
    [InlineData("actorlb bench pub: --duration: '1x' is not a duration such as 500ms, 10s, 5m or 1h\nsee: actorlb bench pub --help", "bench", "pub", "-t", "t", "-d", "1x")]
    public async Task Usage_Wrong_IsToldInTwoLines(string expected, params string[] arguments)
    {
        var wrong = await ActorLbProcess.RunAsync(arguments);
        Assert.Equal((2, expected), (wrong.ExitCode, wrong.Output.Trim()));
    }

    [Theory]
    [InlineData("-h")]
    [InlineData("check", "-h")]
    [InlineData("help")]
    [InlineData("help", "check")]
    public async Task Help_ByItsShortName_IsShown(params string[] arguments)
    {
        var help = await ActorLbProcess.RunAsync(arguments);
        Assert.Equal(0, help.ExitCode);
        Assert.Contains("Usage:", help.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("/h", help.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Version_ByItsShortName_IsShown()
    {
        var version = await ActorLbProcess.RunAsync("-V");
        Assert.Equal((0, (await ActorLbProcess.RunAsync("--version")).Output), (version.ExitCode, version.Output));
        Assert.Matches(@"^\d+\.\d+\.\d+", version.Output);
    }

    [Fact]
    public async Task File_ByItsNameAlone_IsTaken()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        var check = await ActorLbProcess.RunAsync("check", files.Path);
        Assert.Equal((0, $"{files.Path}: the configuration is valid (1 listener, 1 pool)"), (check.ExitCode, check.Output.Trim()));
    }

    /// <summary>Without a name it is the one of the package.</summary>
    [Fact]
    public async Task File_OfNoName_IsThatOfTheSystem()
    {
        Assert.SkipWhen(File.Exists("/etc/actorlb/actorlb.conf"), "this machine has a node's file");
        var check = await ActorLbProcess.RunAsync("check");
        Assert.Equal(1, check.ExitCode);
        Assert.Contains("cannot read '/etc/actorlb/actorlb.conf'", check.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stop_RunningNode_DrainsAndWaits()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var client = await files.OpenAsync("five", 5);
        var stopping = NodeFiles.RunAsync("stop", files.Path);
        Assert.Equal("E0018B", Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
        client.Dispose();
        var stopped = await stopping;
        Assert.Equal((0, "stopped"), (stopped.ExitCode, stopped.Lines[^1]));
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.False(File.Exists(files["pid"]));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Stop_ThatTakesLong_SaysWhatItWaitsFor()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "node.drain-timeout = 8s");
        await using var node = await files.StartAsync();
        var clients = new List<RawClient>();
        for (int i = 0; i < 20; i++) clients.Add(await files.OpenAsync($"c{i}"));
        // Clients read their end, and go.
        var gone = Task.WhenAll(clients.Select(async c => { await c.ReadToEndAsync(); c.Dispose(); }));
        var stopped = await NodeFiles.RunAsync("stop", files.Path);
        await gone;
        Assert.Equal((0, "stopped"), (stopped.ExitCode, stopped.Lines[^1]));
        string[] waits = stopped.Lines.Where(l => l.StartsWith("waiting", StringComparison.Ordinal)).ToArray();
        Assert.All(waits, l => Assert.Matches($@"^waiting for the node \(process {node.Process.Id}\): it (is closing its connections: \d+ are left, for \d s|has closed its connections and is exiting)$", l));
        Assert.Contains("are left", waits[0], StringComparison.Ordinal);
        Assert.InRange(waits.Length, 1, 3);
        Assert.False(File.Exists(files["pid.progress"]));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Reload_ThatTakesLong_SaysWhatItWaitsFor()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        // SIGSTOP: as a machine that hangs.
        node.Process.Signal(19);
        await using var reloading = ProcessHost.Start(ActorLbProcess.Program, ["reload", "-c", files.Path]);
        await reloading.WaitForLineAsync($"waiting for the node (process {node.Process.Id}) to reload its configuration");
        node.Process.Signal(18);
        Assert.Equal(0, await reloading.WaitForExitAsync());
        Assert.Contains("reloaded", reloading.Lines);
    }

    [Fact]
    public async Task Stop_Now_ClosesEverythingAtOnce()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "node.drain-timeout = 1h");
        await using var node = await files.StartAsync();
        using var client = await files.OpenAsync("four");
        var stopped = await NodeFiles.RunAsync("stop", files.Path, "--now");
        Assert.Equal((0, "stopped"), (stopped.ExitCode, stopped.Lines[^1]));
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    /// <summary>A shell without job control starts background programs so.</summary>
    [Fact]
    public async Task Stop_Now_NodeStartedWithTheSignalIgnored_StillStops()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "node.drain-timeout = 1h");
        await using var node = ProcessHost.Start("bash", ["-c", "trap '' QUIT; exec \"$0\" run -c \"$1\"", ActorLbProcess.Program, files.Path]);
        await node.WaitForPortAsync(files.Front);
        await node.WaitForLineAsync("admin endpoint");
        using var client = await files.OpenAsync("five");
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path, "--now")).ExitCode);
        Assert.Equal(0, await node.WaitForExitAsync());
    }

    [Fact]
    public async Task Terminate_Twice_EndsTheDrain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "node.drain-timeout = 1h");
        await using var node = await files.StartAsync();
        using var client = await files.OpenAsync("four");
        using var second = await files.OpenAsync("five");
        node.Process.Signal(ProcessHost.SigTerm);
        await node.Process.WaitForLineAsync("draining 2 connections");
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }
}
