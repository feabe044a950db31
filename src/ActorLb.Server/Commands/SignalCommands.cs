using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol.Failures;
using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;
using ActorLb.Server.Hosting.Upgrade;

namespace ActorLb.Server.Commands;

/// <summary>The commands that control the running node of a configuration file by signals.</summary>
internal static class SignalCommands
{
    private const int SIGHUP = 1, SIGQUIT = 3, SIGUSR2 = 12, SIGTERM = 15; // signal(7)

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ReloadPatience = TimeSpan.FromSeconds(30);

    /// <summary>A minute for the new process to start, one for it to take over, and time for the node to leave its fleet.</summary>
    private static readonly TimeSpan UpgradePatience = TimeSpan.FromSeconds(180);

    public static Command CreateReload()
    {
        var command = new Command("reload", "Make the running node reload its configuration, and wait for the outcome.");
        var file = ConfigurationFile.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            string path = file(result);
            if (Find(path, out var options) is not { } pid) return 1;
            return IsOfAnotherFile(path, options!.Node.PidFile!, pid) ? 1 : await ReloadAsync(options.Node.PidFile!, pid, cancel);
        });
        return command;
    }

    public static Command CreateStop()
    {
        var now = new Option<bool>("--now") { Description = "close all connections at once instead of draining" };
        var command = new Command("stop", "Stop the running node, and wait until it is gone.") { now };
        var file = ConfigurationFile.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            if (Find(file(result), out var options) is not { } pid) return 1;
            return await StopAsync(options!, pid, result.GetValue(now), cancel);
        });
        return command;
    }

    public static Command CreateUpgrade()
    {
        var command = new Command("upgrade", "Replace the running node with this program without refusing clients, and wait until it has taken over.");
        var file = ConfigurationFile.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            string path = file(result);
            if (Find(path, out var options) is not { } pid) return 1;
            return IsOfAnotherFile(path, options!.Node.PidFile!, pid) ? 1 : await UpgradeAsync(options.Node.PidFile!, pid, cancel);
        });
        return command;
    }

    private static async Task<int> UpgradeAsync(string pidFile, int pid, CancellationToken cancel)
    {
        if (!HandlesUpgrade(pid))
        {
            Console.Error.WriteLine($"error: the node (process {pid}) is of a version that cannot be upgraded while it runs: stop it and start the new one");
            return 1;
        }
        string id = Guid.NewGuid().ToString("N"), request = UpgradeFiles.RequestFor(pidFile);
        if (UpgradeFiles.Read(request, UpgradeJson.Default.UpgradeRequest) is { } other && other.IsAwaited(DateTimeOffset.UtcNow))
        {
            Console.Error.WriteLine("error: another upgrade has just been requested");
            return 1;
        }
        try
        {
            UpgradeFiles.Write(request, new UpgradeRequest(id, OwnCommand.Words, DateTimeOffset.UtcNow), UpgradeJson.Default.UpgradeRequest);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"error: {FileFailure.DescribeMaking(e, request)}");
            return 1;
        }
        if (!Signal(pid, SIGUSR2))
        {
            UpgradeFiles.Delete(request);
            return 1;
        }
        var waiting = new Waiting(pidFile, pid, " to hand over");
        long start = Stopwatch.GetTimestamp();
        for (var waited = TimeSpan.Zero; waited < UpgradePatience; waited = Stopwatch.GetElapsedTime(start))
        {
            if (UpgradeFiles.Read(UpgradeFiles.ReportFor(pidFile), UpgradeJson.Default.UpgradeReport) is { } report && report.Id == id)
            {
                UpgradeFiles.Delete(UpgradeFiles.ReportFor(pidFile));
                if (report.Done) Console.WriteLine($"upgraded: process {report.Pid} is serving, process {pid} closes its connections and exits");
                else Console.Error.WriteLine($"error: not upgraded, process {pid} keeps running: {SafeText.OfMessage(report.Message)}");
                return report.Done ? 0 : 1;
            }
            if (!IsAlive(pid))
            {
                Console.Error.WriteLine(PidFile.Running(pidFile) is { } successor
                    ? $"error: process {successor} has taken over by another upgrade" : $"error: the node (process {pid}) has ended");
                return 1;
            }
            waiting.Tell(waited);
            await Task.Delay(Poll, cancel);
        }
        Console.Error.WriteLine($"error: the node (process {pid}) did not hand over within {UpgradePatience.TotalSeconds} s{Last(pidFile)}");
        return 1;
    }

    /// <summary>An older version ignores the signal, or is ended by it.</summary>
    private static bool HandlesUpgrade(int pid)
    {
        try
        {
            string caught = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith("SigCgt:", StringComparison.Ordinal));
            ulong mask = ulong.Parse(caught["SigCgt:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            return (mask & (1UL << (SIGUSR2 - 1))) != 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or FormatException)
        {
            return true;
        }
    }

    private static bool IsAlive(int pid) => Directory.Exists($"/proc/{pid}");

    private static async Task<int> ReloadAsync(string pidFile, int pid, CancellationToken cancel)
    {
        int before = ReloadReport.Read(pidFile)?.Sequence ?? 0;
        if (!Signal(pid, SIGHUP)) return 1;
        var waiting = new Waiting(pidFile, pid, " to reload its configuration");
        long start = Stopwatch.GetTimestamp();
        for (var waited = TimeSpan.Zero; waited < ReloadPatience; waited = Stopwatch.GetElapsedTime(start))
        {
            if (ReloadReport.Read(pidFile) is { } report && report.Sequence > before)
            {
                foreach (string message in report.Messages) Console.Error.WriteLine($"{(report.Accepted ? "warning" : "error")}: {SafeText.OfMessage(message)}");
                Console.WriteLine(report.Accepted ? "reloaded" : "rejected: the old configuration stays in force");
                return report.Accepted ? 0 : 1;
            }
            if (PidFile.Running(pidFile) is not { } running)
            {
                Console.Error.WriteLine($"error: the node (process {pid}) has ended");
                return 1;
            }
            if (running != pid)
            {
                Console.Error.WriteLine($"error: the node was upgraded in the meantime (process {running}) and may have read the older file: reload again");
                return 1;
            }
            waiting.Tell(waited);
            await Task.Delay(Poll, cancel);
        }
        Console.Error.WriteLine($"error: the node (process {pid}) did not answer within {ReloadPatience.TotalSeconds} s{Last(pidFile)}");
        return 1;
    }

    /// <summary>A node reloads its own file even if the given one names the same pid-file: reporting the given one as reloaded would
    /// be wrong.</summary>
    private static bool IsOfAnotherFile(string path, string pidFile, int pid)
    {
        string given = Path.GetFullPath(path);
        if (ReloadReport.Read(pidFile)?.Configuration is not { } running || running == given || RealPath(running) == RealPath(given)) return false;
        Console.Error.WriteLine($"error: the node of pid-file {pidFile} (process {pid}) runs {running}, not {given}: it would reload its own file");
        return true;
    }

    /// <summary>Follows all symbolic links, including those of directories.</summary>
    private static string RealPath(string path)
    {
        string real = "/";
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            try
            {
                if (new FileInfo(real).ResolveLinkTarget(returnFinalTarget: true) is { } target) real = target.FullName;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // As far as the links can be followed.
            }
        }
        return real;
    }

    private static async Task<int> StopAsync(ActorLbOptions options, int pid, bool now, CancellationToken cancel)
    {
        if (!Signal(pid, now ? SIGQUIT : SIGTERM)) return 1;
        var patience = options.Node.DrainTimeout + TimeSpan.FromSeconds(15);
        var waiting = new Waiting(options.Node.PidFile!, pid, now ? " to end" : " to drain and end");
        long start = Stopwatch.GetTimestamp();
        for (var waited = TimeSpan.Zero; waited < patience; waited = Stopwatch.GetElapsedTime(start))
        {
            if (PidFile.Running(options.Node.PidFile!) is null)
            {
                Console.WriteLine("stopped");
                return 0;
            }
            waiting.Tell(waited);
            await Task.Delay(Poll, cancel);
        }
        Console.Error.WriteLine($"error: the node (process {pid}) is still running after {patience.TotalSeconds} s{Last(options.Node.PidFile!)}");
        return 1;
    }

    private static string Last(string pidFile) => ProgressFile.Read(pidFile) is { } text ? $": it {SafeText.OfMessage(text)}" : "";

    /// <summary>The running node's process id; null after reporting why there is none.</summary>
    private static int? Find(string path, out ActorLbOptions? options)
    {
        // The node's own report contains the warnings.
        options = ConfigurationFile.Load(path, warn: false);
        if (options is null) return null;
        if (options.Node.PidFile is not { } pidFile)
        {
            Console.Error.WriteLine($"error: {path} sets no pid-file, so the running node cannot be found");
            return null;
        }
        if (PidFile.Running(pidFile) is { } pid) return pid;
        Console.Error.WriteLine($"error: no node is running with pid-file {pidFile}");
        return null;
    }

    private static bool Signal(int pid, int signal)
    {
        if (Libc.kill(pid, signal) == 0) return true;
        Console.Error.WriteLine($"error: cannot signal process {pid}: {Libc.ErrorText(Libc.Errno)}");
        return false;
    }
}
