using System.Collections.Immutable;
using ActorLb.Hosting;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>
/// Makes another process, possibly of another version, take this one's place, as NGINX does on SIGUSR2: it inherits the listening
/// sockets with all clients in their queues, so that no client is refused. If it fails to take over, this process keeps running.
/// </summary>
/// <param name="path">Full path of the configuration file.</param>
/// <param name="pidFile">Null when the node has none.</param>
/// <param name="stopAdmin">Frees the admin endpoint's address.</param>
/// <param name="startAdmin">Takes the address again.</param>
internal sealed partial class NodeUpgrade(
    Node node, NodeControl control, string path, PidFile? pidFile, Func<Task> stopAdmin, Func<Task> startAdmin, ILogger logger)
{
    /// <summary>For reading files and resolving names, before anything is handed over.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>For joining the fleet while no process accepts: clients wait in the queue.</summary>
    private static readonly TimeSpan ServingPatience = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan AdminRetry = TimeSpan.FromSeconds(1);

    /// <summary>True when the other process serves: this one only has to drain.</summary>
    /// <param name="taken">Gets the other process's id before the upgrade is reported as done.</param>
    /// <param name="cancel">Abandons the upgrade.</param>
    public async Task<bool> RunAsync(Func<int, Task> taken, CancellationToken cancel)
    {
        var request = TakeRequest();
        int pid = 0;
        string? failure = await control.HandOverAsync(async progress =>
        {
            try
            {
                pid = await HandOverAsync(request.Command, progress, cancel);
                return null;
            }
            catch (IOException e)
            {
                return e.Message;
            }
            catch (OperationCanceledException)
            {
                return cancel.IsCancellationRequested ? "the node is being stopped" : "the new process was not ready in time";
            }
            catch (Exception e)
            {
                // A fault of the program. The node keeps running as it was.
                return e.ToString();
            }
        });
        if (failure is null)
        {
            Log.HandedOver(logger, pid);
            await taken(pid);
        }
        else
        {
            Log.NotHandedOver(logger, failure);
        }
        node.Events.Publish(failure is null ? "node_upgraded" : "upgrade_failed", failure ?? $"process {pid} has taken over");
        Report(request.Id, failure, pid);
        return failure is null;
    }

    /// <summary>The process id of the one that serves.</summary>
    /// <exception cref="IOException">This process keeps running.</exception>
    private async Task<int> HandOverAsync(string[] command, ProgressFile progress, CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(Patience);
        var lent = node.LendListeners();
        Successor? successor = null;
        bool accepting = true;
        try
        {
            Log.Starting(logger, string.Join(' ', command));
            progress.Say($"is waiting for the new process ({command[^1]}) to be ready");
            successor = await Successor.StartAsync(command, path, pidFile, node.StickyKey, lent);
            await successor.WhenPreparedAsync(patience.Token);
            progress.Say("is handing over to the new process");
            // It may have to wait for a request in progress; clients are still accepted during that time.
            accepting = false;
            await stopAdmin();
            await node.StopAcceptingAsync(node.Options.Node.DrainTimeout);
            patience.CancelAfter(ServingPatience);
            await successor.WhenServingAsync(node.Bequeath(lent), node.Member is null ? node.Sticky.Export() : [], patience.Token);
            pidFile?.Leave();
            ListenerSet.Close(lent);
            return successor.Pid;
        }
        catch
        {
            if (successor is not null) await successor.EndAsync();
            if (accepting) ListenerSet.Close(lent);
            else await TakeBackAsync(lent);
            throw;
        }
        finally
        {
            if (successor is not null) await successor.DisposeAsync();
        }
    }

    private async Task TakeBackAsync(ImmutableArray<InheritedListener> lent)
    {
        try
        {
            pidFile?.Write();
            await startAdmin();
        }
        catch (Exception e)
        {
            // Clients are waiting, and are served without it.
            Log.NotTakenBack(logger, e.Message);
            _ = RetryAdminAsync();
        }
        await node.TakeBackAsync(lent, CancellationToken.None);
    }

    /// <summary>Another program may hold its address for a while.</summary>
    private async Task RetryAdminAsync()
    {
        while (!node.IsDraining)
        {
            await Task.Delay(AdminRetry);
            try
            {
                await startAdmin();
                Log.AdminIsBack(logger);
                return;
            }
            catch (IOException)
            {
                // Retried in a moment.
            }
        }
    }

    /// <summary>Answers a request for an upgrade while another one is in progress.</summary>
    public void Refuse() => Report(TakeRequest().Id, "another upgrade is in progress", 0);

    /// <summary>The command's request, or one for the same program when only the signal arrived.</summary>
    private UpgradeRequest TakeRequest()
    {
        var own = new UpgradeRequest("", OwnCommand.Words, DateTimeOffset.UtcNow);
        if (pidFile is null) return own;
        string file = UpgradeFiles.RequestFor(pidFile.Path);
        var asked = UpgradeFiles.Read(file, UpgradeJson.Default.UpgradeRequest);
        UpgradeFiles.Delete(file);
        // A request that nobody waits for any more starts nothing.
        bool isWhole = asked is { Id: not null, Command.Length: 1 or 2 } && !Array.Exists(asked.Command, string.IsNullOrEmpty);
        return isWhole && asked!.IsAwaited(DateTimeOffset.UtcNow) ? asked : own;
    }

    private void Report(string id, string? failure, int pid)
    {
        if (pidFile is null || id.Length == 0) return;
        try
        {
            UpgradeFiles.Write(UpgradeFiles.ReportFor(pidFile.Path), new UpgradeReport(id, failure is null, failure ?? "", pid), UpgradeJson.Default.UpgradeReport);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NoReport(logger, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3060, LogLevel.Information, "upgrade: starting {Command}")]
        public static partial void Starting(ILogger logger, string command);

        [LoggerMessage(3061, LogLevel.Information, "upgrade: process {Pid} has taken over; this one closes its connections and exits")]
        public static partial void HandedOver(ILogger logger, int pid);

        [LoggerMessage(3062, LogLevel.Error, "upgrade: not done, this process keeps running: {Reason}")]
        public static partial void NotHandedOver(ILogger logger, string reason);

        [LoggerMessage(3063, LogLevel.Error, "upgrade: this process keeps running without its admin endpoint until its address is free again: {Reason}")]
        public static partial void NotTakenBack(ILogger logger, string reason);

        [LoggerMessage(3065, LogLevel.Information, "upgrade: the admin endpoint is back")]
        public static partial void AdminIsBack(ILogger logger);

        [LoggerMessage(3064, LogLevel.Warning, "upgrade: the outcome cannot be written beside the pid-file: {Reason}")]
        public static partial void NoReport(ILogger logger, string reason);
    }
}
