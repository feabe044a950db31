using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>Signals of a real process: each does what it is for, whatever another began, and those of others do nothing.</summary>
public sealed class SignalTests
{
    private const int SigQuit = 3, SigUsr1 = 10;

    [Theory]
    [InlineData(ProcessHost.SigTerm)]
    [InlineData(ProcessHost.SigInt)]
    [InlineData(SigQuit)]
    public async Task Reload_OfAPipe_IsRejected_AndEverySignalStillWorks(int signal)
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        await using var node = await files.StartAsync();
        File.Delete(files.Path);
        Fifo.Make(files.Path);
        for (int i = 0; i < 3; i++)
        {
            int from = node.Process.Lines.Count;
            node.Process.Signal(ProcessHost.SigHup);
            await node.Process.WaitForLineAsync(l => l.Contains("it is a pipe, not a regular file", StringComparison.Ordinal), from: from);
        }

        // A regular file again is read again.
        File.Delete(files.Path);
        files.Write("backends = [\"127.0.0.1:2\"]");
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        node.Process.Signal(signal);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.Contains("stopped", node.Process.Lines[^1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check")]
    [InlineData("show-config")]
    [InlineData("run")]
    [InlineData("reload")]
    public async Task Command_OfAFileWithoutEnd_EndsWithItsReason(string command)
    {
        var zero = await NodeFiles.RunAsync(command, "/dev/zero");
        Assert.Equal((1, "error: /dev/zero:1:1: cannot read '/dev/zero': it is a device, not a regular file"), (zero.ExitCode, zero.Output));
    }

    [Fact]
    public async Task Check_OfAPipe_ReadsIt_RunDoesNot()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        foreach ((string command, int code, string output) in new[]
        {
            ("check", 0, "the configuration is valid"), ("show-config", 0, "max-fails"), ("run", 1, "it is a pipe, not a regular file"),
        })
        {
            var result = await ProcessHost.RunAsync("bash", ["-c", $"cat '{files.Path}' | '{ActorLbProcess.Program}' {command} -c /dev/stdin"]);
            Assert.Equal((code, result.Output), (result.ExitCode, result.Output));
            Assert.Contains(output, result.Output, StringComparison.Ordinal);
        }
    }

    /// <summary>Includes without number are slow to read; a file system that hangs is not at hand.</summary>
    [Theory]
    [Trait("speed", "slow")]
    [InlineData(ProcessHost.SigTerm)]
    [InlineData(SigQuit)]
    public async Task Stop_WhileAReloadReads_DoesNotWaitForIt(int signal)
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        await using var node = await files.StartAsync();
        string large = files.Add("large.conf", string.Concat(Enumerable.Range(0, 60_000).Select(i => $"k{i} = \"{i}\"\n")));
        File.AppendAllText(files.Path, string.Concat(Enumerable.Repeat($"\ninclude \"{large}\"", 900)));
        long before = Read();
        node.Process.Signal(ProcessHost.SigHup);
        await Wait.UntilAsync(() => Read() > before + (10 << 20));
        node.Process.Signal(signal);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.Contains("reload: the node is draining", node.Process.Output, StringComparison.Ordinal);

        // Bytes that the process has read: the first field of proc(5)'s io.
        long Read() => long.Parse(File.ReadLines($"/proc/{node.Process.Id}/io").First().Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task Usr1_OpensTheAccessLogAgain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: $"log.access = \"{files["access.log"]}\"");
        await using var node = await files.StartAsync();
        (await files.OpenAsync("one")).Dispose();
        await node.Process.WaitUntilAsync(() => HasLineAsync(files["access.log"], "one"));
        File.Move(files["access.log"], files["access.log.1"]);
        node.Process.Signal(SigUsr1);
        await node.Process.WaitUntilAsync(() => Task.FromResult(File.Exists(files["access.log"])));
        (await files.OpenAsync("two")).Dispose();
        await node.Process.WaitUntilAsync(() => HasLineAsync(files["access.log"], "two"));
        Assert.DoesNotContain("two", await File.ReadAllTextAsync(files["access.log.1"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    /// <summary>SIGPIPE, SIGALRM, SIGSTKFLT, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR and those of real time: signal(7).</summary>
    [Fact]
    public async Task OtherSignals_AreIgnored()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        await using var node = await files.StartAsync();
        foreach (int signal in new[] { 13, 14, 16, 25, 26, 27, 28, 29, 30, 35, 40, 63, 64 })
        {
            node.Process.Signal(signal);
            Assert.True(await node.IsReadyAsync(), $"signal {signal}");
        }
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    [Fact]
    public async Task Reload_OfAnotherFileWithTheSamePidFile_IsRefused()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]");
        await using var node = await files.StartAsync();
        string other = files.Add("other.conf", await File.ReadAllTextAsync(files.Path, TestContext.Current.CancellationToken));
        var refused = await NodeFiles.RunAsync("reload", other);
        Assert.Equal(1, refused.ExitCode);
        string line = Assert.Single(refused.Lines);
        Assert.Contains(files.Path, line, StringComparison.Ordinal);
        Assert.Contains(other, line, StringComparison.Ordinal);
        Assert.DoesNotContain("configuration", node.Process.Output, StringComparison.Ordinal);

        // Another name of the same file is that file, before a reload and after one.
        File.CreateSymbolicLink(files["link.conf"], files.Path);
        Directory.CreateSymbolicLink(files["folder"], Path.GetDirectoryName(files.Path)!);
        foreach (string same in new[] { files.Path, files["link.conf"], Path.Combine(files["folder"], "lb.conf") })
        {
            var reloaded = await NodeFiles.RunAsync("reload", same);
            Assert.Equal((0, "reloaded"), (reloaded.ExitCode, reloaded.Output));
        }
        Assert.Equal(1, (await NodeFiles.RunAsync("reload", other)).ExitCode);
    }

    private static Task<bool> HasLineAsync(string file, string clientId) =>
        Task.FromResult(File.Exists(file) && File.ReadAllText(file).Contains($"client=\"{clientId}\"", StringComparison.Ordinal));
}
