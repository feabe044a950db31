using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Deploy;

/// <summary>The unit of systemd and the configuration of keepalived, as their own programs judge them.</summary>
public sealed partial class ServiceFilesTests
{
    /// <summary>Of 10; systemd calls up to 4.9 "OK", and what is below 2 "OK" with a smile.</summary>
    private const double MostExposure = 2.0;

    [Fact]
    public async Task Unit_IsValid_AndExposesLittle()
    {
        using var folder = new TempFolder();
        // What it starts has to be there.
        string unit = folder.Write("actorlb.service", (await DeployFiles.ReadAsync("actorlb.service")).Replace("/usr/bin/actorlb", ActorLbProcess.Program, StringComparison.Ordinal));
        string verified = await DeployFiles.RunAsync("systemd-analyze", "verify", "--man=no", unit);
        Assert.DoesNotContain("actorlb.service", verified, StringComparison.Ordinal);
        string security = await DeployFiles.RunAsync("systemd-analyze", "security", "--offline=true", "--no-pager", unit);
        var exposure = Exposure().Match(security);
        Assert.True(exposure.Success, security);
        Assert.True(double.Parse(exposure.Groups["level"].Value, CultureInfo.InvariantCulture) <= MostExposure, security);
    }

    /// <summary>A filter that is too narrow would show on a server alone, where systemd applies it.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Unit_AllowsTheSystemCalls_OfANodeThatServesReloadsAndUpgrades()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new Server.NodeFiles();
        var fleet = Ports.FreeEndPoint();
        files.Write(TestNode.Backends(broker), more: $$"""
            cluster { bind = "{{fleet}}", seeds = ["{{fleet}}"] }
            log.access = "{{files["access.log"]}}"
            """);
        await using (var node = await files.StartAsync("strace", "-f", "-qq", "-c", "-S", "name", "-U", "name", "-o", files["calls"]))
        {
            (await files.OpenAsync("c")).Dispose();
            foreach (string command in (string[])["reload", "upgrade", "stop"])
            {
                var done = await Server.NodeFiles.RunAsync(command, files.Path);
                Assert.True(done.ExitCode == 0, done.Output);
            }
            // It ends with the last process of them all.
            Assert.Equal(0, await node.Process.WaitForExitAsync());
        }
        HashSet<string> used = [.. (await File.ReadAllLinesAsync(files["calls"], TestContext.Current.CancellationToken)).Select(l => l.Trim()).Where(l => Call().IsMatch(l))];
        Assert.Contains("epoll_wait", used);
        Assert.Contains("execve", used);

        string[] filters = [.. (await DeployFiles.ReadAsync("actorlb.service")).Split('\n').Where(l => l.StartsWith("SystemCallFilter=", StringComparison.Ordinal)).Select(l => l["SystemCallFilter=".Length..])];
        Assert.Equal(["@system-service", "~@privileged"], filters);
        var allowed = await ExpandAsync("@system-service");
        allowed.ExceptWith(await ExpandAsync("@privileged"));
        Assert.DoesNotContain("reboot", allowed);
        Assert.Empty(used.Except(allowed));
    }

    private static async Task<HashSet<string>> ExpandAsync(string set)
    {
        HashSet<string> found = new(StringComparer.Ordinal);
        string listed = await DeployFiles.RunAsync("systemd-analyze", "syscall-filter", "--no-pager", set);
        foreach (string name in listed.Split('\n').Skip(1).Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#'))
        {
            if (name[0] == '@') found.UnionWith(await ExpandAsync(name));
            else found.Add(name);
        }
        return found;
    }

    /// <summary>The watchdog, and the times of a start and a drain.</summary>
    [Fact]
    public async Task Unit_NotifiesAndLetsTheNodeDrain()
    {
        string[] lines = (await DeployFiles.ReadAsync("actorlb.service")).Split('\n');
        Assert.Contains("Type=notify", lines);
        Assert.Contains("NotifyAccess=all", lines);
        Assert.Contains("WatchdogSec=30", lines);
        Assert.Contains("TimeoutStopSec=60", lines);
        Assert.Contains("drain-timeout = 30s", await DeployFiles.ReadAsync("debian", "actorlb.conf"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keepalived_AcceptsItsConfiguration()
    {
        using var folder = new TempFolder();
        // The user that runs the script is the package's.
        string conf = (await DeployFiles.ReadAsync("vip", "keepalived.conf"))
            .Replace("script_user actorlb", "script_user root", StringComparison.Ordinal)
            .Replace("/etc/keepalived/check-ready", DeployFiles.At("vip", "check-ready"), StringComparison.Ordinal);
        var judged = await JudgeAsync(folder.Write("keepalived.conf", conf));
        Assert.True(judged.ExitCode == 0, judged.Output);
        Assert.DoesNotContain("Line ", judged.Output, StringComparison.Ordinal);
        var wrong = await JudgeAsync(folder.Write("wrong.conf", conf.Replace("virtual_router_id 51", "virtual_router_id none", StringComparison.Ordinal)));
        Assert.NotEqual(0, wrong.ExitCode);

        // In a network namespace where the interface is one of Ethernet.
        static Task<ProcessResult> JudgeAsync(string file) => ProcessHost.RunAsync(
            "unshare", ["--net", "sh", "-c", "ip link add eth0 type veth peer name eth1 && ip link set eth0 up && exec keepalived -t -f \"$0\"", file],
            SystemPath.Environment);
    }

    /// <summary>The script gives the address away while the node drains.</summary>
    [Fact]
    public async Task CheckScript_TellsWhetherTheNodeIsReady()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new Server.NodeFiles();
        files.Write(TestNode.Backends(broker));
        var environment = new Dictionary<string, string?>(SystemPath.Environment, StringComparer.Ordinal) { ["ACTORLB_READY"] = $"http://{files.Admin}/readyz" };
        string script = DeployFiles.At("vip", "check-ready");
        await using (await files.StartAsync())
        {
            Assert.Equal(0, (await ProcessHost.RunAsync(script, [], environment)).ExitCode);
        }
        Assert.NotEqual(0, (await ProcessHost.RunAsync(script, [], environment)).ExitCode);
    }

    /// <summary>A line of strace's summary of names alone; "syscall" and "total" are its head and foot.</summary>
    [GeneratedRegex("^(?!syscall$|total$)[a-z0-9_]+$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Call();

    [GeneratedRegex(@"exposure level for actorlb\.service: (?<level>[0-9.]+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Exposure();
}
