using System.Collections.Concurrent;
using System.Globalization;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Native;
using ActorLb.Server.Hosting;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.FunctionalTests.Server;

/// <summary>What a node tells the service manager; the test plays systemd.</summary>
public sealed class ServiceManagerTests
{
    private const string Library = "Microsoft.Extensions.Hosting.Systemd.dll";
    private static readonly TimeSpan Watchdog = TimeSpan.FromSeconds(2);

    // The watchdog's process is the program itself, as systemd sets it.
    private static readonly string[] Itself = ["/bin/sh", "-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh"];

    [Fact]
    public async Task Node_OfAServiceManager_TellsItWhatItDoes()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        await using var manager = new ServiceSocket(files["notify"]);
        files.Write(TestNode.Backends(broker));
        await using var node = await StartAsync(files, manager);
        int at = await manager.WaitAsync("READY=1 STATUS=accepts clients");
        Assert.Equal(0, at);
        Assert.Contains(Library, await MapsOf(node.Process.Id), StringComparison.Ordinal);
        at = await manager.WaitAsync("WATCHDOG=1", at);
        at = await manager.WaitAsync("WATCHDOG=1", at);

        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        at = await manager.WaitAsync("RELOADING=1", at);
        at = await manager.WaitAsync("READY=1 STATUS=accepts clients", at);
        Assert.DoesNotContain("rejected", manager.Told[at], StringComparison.Ordinal);
        files.Add("lb.conf", "actorlb { nonsense = 1 }");
        node.Process.Signal(ProcessHost.SigHup);
        at = await manager.WaitAsync("READY=1 STATUS=accepts clients; the latest configuration was rejected", at);

        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        await manager.WaitAsync("STOPPING=1", at);
    }

    [Fact]
    public async Task Upgrade_NamesTheOtherProcess_WhichFeedsTheWatchdogFromThenOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        await using var manager = new ServiceSocket(files["notify"]);
        files.Write(TestNode.Backends(broker));
        await using var node = await StartAsync(files, manager);
        await manager.WaitAsync("READY=1");
        var upgraded = await NodeFiles.RunAsync("upgrade", files.Path);
        Assert.True(upgraded.ExitCode == 0, upgraded.Output);

        string pid = UnlockedFile.ReadAscii(files["pid"])!.Trim();
        Assert.NotEqual(node.Process.Id.ToString(CultureInfo.InvariantCulture), pid);
        // Said before the command ended: whoever waits for it finds the service at its new process.
        int at = Array.FindIndex(manager.Told, m => m.StartsWith($"MAINPID={pid} ", StringComparison.Ordinal));
        Assert.True(at > 0, string.Join(" | ", manager.Told));
        Assert.Equal(2, manager.Told.Count(m => m.StartsWith("READY=1", StringComparison.Ordinal)));
        // The other process holds its output open.
        await Wait.UntilAsync(() => node.Process.HasExited);
        await manager.WaitAsync("WATCHDOG=1", manager.Told.Length - 1);
        Assert.DoesNotContain(manager.Told, m => m.StartsWith("STOPPING", StringComparison.Ordinal));

        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
        await manager.WaitAsync("STOPPING=1", at);
    }

    [Fact]
    public async Task Node_OfNoServiceManager_LoadsNothingOfIt()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        Assert.DoesNotContain(Library, await MapsOf(node.Process.Id), StringComparison.Ordinal);
    }

    public static TheoryData<string> Nobodies => new("/nonexistent/notify", "@actorlb-nobody", "vsock:2:1234", "/" + new string('x', 200));

    [Theory]
    [MemberData(nameof(Nobodies))]
    public async Task ServiceManager_WhoseSocketIsGone_IsLoggedOnce_AndTheNodeServes(string socket)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await ActorLbProcess.StartAsync(
            files.Path, files.Admin, new Dictionary<string, string?>(StringComparer.Ordinal) { ["NOTIFY_SOCKET"] = socket, ["WATCHDOG_USEC"] = "soon" });
        (await files.OpenAsync("c")).Dispose();
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.Single(node.Process.Lines, l => l.Contains("to the service manager", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Watchdog_OfAReactorThatHangs_IsNotFed_UntilItAnswers()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var time = new FakeTimeProvider();
        var log = new CollectedLog();
        var told = new ConcurrentQueue<string>();
        int Fed() => told.Count(m => m == "WATCHDOG=1");
        await using var manager = new ServiceManager(node.Node.Reactors, Watchdog, told.Enqueue, time, log.CreateLogger("test"));
        manager.Ready();
        await Wait.UntilAsync(() => Fed() == 1);
        await using (await HeldReactor.OfAsync(node))
        {
            await Wait.UntilAsync(() =>
            {
                time.Advance(Watchdog / 2);
                return log.Lines.Any(l => l.Text.Contains("a reactor did not answer", StringComparison.Ordinal));
            });
            time.Advance(Watchdog * 10);
            Assert.Equal(1, Fed());
        }
        await Wait.UntilAsync(() => Fed() > 1);
    }

    private static async Task<ActorLbProcess> StartAsync(NodeFiles files, ServiceSocket manager) => await ActorLbProcess.StartAsync(
        files.Path, files.Admin,
        new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["NOTIFY_SOCKET"] = manager.Path,
            ["WATCHDOG_USEC"] = Watchdog.TotalMicroseconds.ToString(CultureInfo.InvariantCulture),
        },
        through: Itself);

    private static Task<string> MapsOf(int pid) => File.ReadAllTextAsync($"/proc/{pid}/maps", TestContext.Current.CancellationToken);
}
