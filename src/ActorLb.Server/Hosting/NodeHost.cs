using System.Runtime.InteropServices;
using System.Threading.Channels;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Native;
using ActorLb.Protocol.Failures;
using ActorLb.Server.Admin;
using ActorLb.Server.Hosting.Upgrade;
using ActorLb.Server.Otlp;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>Runs a node as a process: pid-file, admin endpoint, signals. SIGHUP reloads, SIGUSR1 reopens the logs, SIGTERM and SIGINT
/// drain and stop (a second one stops at once), SIGQUIT stops at once (a second one kills the process), SIGUSR2 makes another process
/// take over. No signal waits for the work of another one.</summary>
/// <param name="predecessor">The process that this one replaces; usually null.</param>
internal sealed partial class NodeHost(string path, ActorLbOptions options, Predecessor? predecessor = null)
{
    private const int SIGHUP = 1, SIGQUIT = 3, SIGUSR1 = 10, SIGUSR2 = 12; // signal(7)

    private readonly Channel<Signal> _signals = Channel.CreateBounded<Signal>(
        new BoundedChannelOptions(16) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    // Reloads are queued separately from other signals, so that a slow one delays no stop. One waiting reload stands for all that
    // arrive meanwhile.
    private readonly Channel<bool> _reloads = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private readonly CancellationTokenSource _starting = new();

    private volatile NodeControl? _control;
    private volatile Node? _node;
    private volatile bool _stopping;
    private volatile bool _stoppingNow;
    private PidFile? _pidFile;

    // Taken over from the previous process, where there is one.
    private PidFile? _replacedPidFile;
    private bool _handedOver;
    private bool _started;

    private enum Signal { Reload, Reopen, Stop, StopNow, Upgrade, HandedOver }

    /// <summary>Runs until told to stop; returns the exit code.</summary>
    public async Task<int> RunAsync()
    {
        _ = OwnCommand.Words;
        using var logging = new NodeLogging(options.Log);
        var logger = logging.Factory.CreateLogger("ActorLb.Server");
        try
        {
            // A process that takes over does so before it has these itself.
            if (predecessor is null) TakePidFile();
            // A shell without job control starts what it puts in the background with SIGQUIT ignored (POSIX, 2.11), nohup(1) what it starts
            // with SIGHUP, and the runtime would respect that: `actorlb stop --now` and `actorlb reload` could not reach such a node.
            OtherSignals.SetDefault(SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2);
            using var hup = On(PosixSignal.SIGHUP, Signal.Reload);
            using var reopen = OperatingSystem.IsLinux() ? On((PosixSignal)SIGUSR1, Signal.Reopen) : null;
            using var upgrade = OperatingSystem.IsLinux() ? On((PosixSignal)SIGUSR2, Signal.Upgrade) : null;
            using var term = On(PosixSignal.SIGTERM, Signal.Stop);
            using var interrupt = On(PosixSignal.SIGINT, Signal.Stop);
            using var quit = On(PosixSignal.SIGQUIT, Signal.StopNow);
            await RunNodeAsync(logging, logger);
            return 0;
        }
        catch (OperationCanceledException) when (_starting.IsCancellationRequested)
        {
            Log.Stopped(logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or TlsConfigurationException or UnauthorizedAccessException)
        {
            if (_started) Log.Failed(logger, e);
            else Log.CannotStart(logger, FailureText.Describe(e));
            if (predecessor is not null && !_started) await predecessor.FailAsync(FailureText.Describe(e));
            return 1;
        }
        finally
        {
            _control = null;
            _node = null;
            GiveUpPidFile(isOurs: !_handedOver && (_started || predecessor is null));
        }
    }

    private async Task RunNodeAsync(NodeLogging logging, ILogger logger)
    {
        await using var node = new Node(options, logging.Factory, TimeProvider.System, predecessor?.Offer.StickyKey);
        var control = new NodeControl(node, logging, path, TimeProvider.System);
        _control = control;
        _node = node;
        FailureText.Prepare();
        if (predecessor is not null) await TakeOverAsync(predecessor, node);
        control.LeaveFirstReport();
        await using var admin = new AdminHolder(node, logging, control);
        await using var export = options.Telemetry.Otlp is { Endpoint: not null } otlp
            ? OtlpExport.Start(otlp, node, admin.WriteMetrics, control.Otlp, TimeProvider.System, logger) : null;
        // The admin endpoint first: a port in use is reported before any client is accepted.
        await admin.StartAsync(options.Admin);
        await node.StartAsync(_starting.Token);
        Log.Started(
            logger, options.Node.Name, Program.Version, Environment.ProcessId, options.Admin.Tls is null ? "http" : "https", admin.Address);
        await using var service = ServiceManager.Find(node.Reactors, predecessor is not null, logger);
        service?.Ready();
        if (predecessor is not null) await predecessor.SayServingAsync(_starting.Token);
        _started = true;
        if (_replacedPidFile is { } replaced)
        {
            ReloadReport.Delete(replaced.Path);
            replaced.Dispose();
        }
        _ = WatchFleetAsync(node, logger);
        var reloading = ReloadAsync(control, service, logger);
        var upgrading = new NodeUpgrade(
            node, control, control.Path, _pidFile, admin.StopAsync, () => admin.StartAsync(options.Admin), logger);
        await ServeAsync(node, control, upgrading, service);
        _reloads.Writer.TryComplete();
        await control.EndAsync();
        await reloading;
        Log.Stopped(logger);
    }

    /// <param name="isOurs">Otherwise it belongs to the other process, or still does.</param>
    private void GiveUpPidFile(bool isOurs)
    {
        if (_pidFile is not { } file) return;
        if (isOurs)
        {
            ReloadReport.Delete(file.Path);
            file.Dispose();
        }
        else if (_replacedPidFile is { } others)
        {
            // The file that it has taken itself has no other owner; the other process still has its own.
            others.Leave();
            file.Dispose();
        }
        else
        {
            file.Leave();
        }
    }

    private void TakePidFile()
    {
        if (options.Node.PidFile is not { } file) return;
        _pidFile = PidFile.Take(file);
        ReloadReport.Delete(file);
    }

    /// <summary>Waits until the other process accepts no more clients, and takes over its state.</summary>
    private async Task TakeOverAsync(Predecessor other, Node node)
    {
        await other.SayAsync(UpgradeStep.Prepared, null, _starting.Token);
        await other.TakeOverAsync(node, _starting.Token);
        if (other.Offer is { PidFile: { } left, PidDescriptor: >= 0 and var descriptor })
        {
            var adopted = PidFile.Adopt(left, descriptor);
            if (left == options.Node.PidFile) _pidFile = adopted;
            else _replacedPidFile = adopted;
        }
        if (_pidFile is null) TakePidFile();
    }

    /// <summary>A node that was told to leave its fleet drains and exits.</summary>
    private async Task WatchFleetAsync(Node node, ILogger logger)
    {
        if (node.Member is not { } member) return;
        await member.Host.Left;
        if (_stopping) return;
        Log.LeftFleet(logger);
        _stopping = true;
        _signals.Writer.TryWrite(Signal.Stop);
    }

    private async Task ServeAsync(Node node, NodeControl control, NodeUpgrade upgrade, ServiceManager? service)
    {
        using var giveUp = new CancellationTokenSource();
        var upgrading = Task.FromResult(false);
        await foreach (var signal in _signals.Reader.ReadAllAsync())
        {
            switch (signal)
            {
                case Signal.Upgrade when upgrading.IsCompleted:
                    upgrading = UpgradeAsync(upgrade, service, giveUp.Token);
                    continue;
                case Signal.Upgrade:
                    upgrade.Refuse();
                    continue;
                case Signal.HandedOver:
                    break;
                default:
                    await giveUp.CancelAsync();
                    break;
            }
            _handedOver = await upgrading;
            if (!_handedOver) service?.Stopping();
            if (signal != Signal.StopNow) await control.DrainAsync(node.Options.Node.DrainTimeout, toEnd: true);
            return;
        }
    }

    private async Task<bool> UpgradeAsync(NodeUpgrade upgrade, ServiceManager? service, CancellationToken cancel)
    {
        bool done = await upgrade.RunAsync(pid => service?.HandOverAsync(pid) ?? Task.CompletedTask, cancel);
        if (done) _signals.Writer.TryWrite(Signal.HandedOver);
        return done;
    }

    private async Task ReloadAsync(NodeControl control, ServiceManager? service, ILogger logger)
    {
        await foreach (bool _ in _reloads.Reader.ReadAllAsync())
        {
            bool accepted = false;
            service?.Reloading();
            try
            {
                accepted = (await control.ReloadAsync()).Accepted;
            }
            catch (Exception e)
            {
                // The old configuration is in force, or part of the new one; the node keeps running.
                Log.ReloadFailed(logger, e);
            }
            service?.Reloaded(accepted);
        }
    }

    private PosixSignalRegistration On(PosixSignal posix, Signal signal) => PosixSignalRegistration.Create(posix, context =>
    {
        // The second signal is meant for the process, whatever it is waiting for.
        context.Cancel = !(signal == Signal.StopNow && _stoppingNow);
        if (signal == Signal.StopNow) _stoppingNow = true;
        switch (signal)
        {
            case Signal.Reload:
                _reloads.Writer.TryWrite(true);
                return;
            case Signal.Reopen:
                _node?.ReopenLogs();
                return;
            case Signal.Upgrade:
                if (!_stopping) _signals.Writer.TryWrite(signal);
                return;
        }
        if (signal == Signal.StopNow || (signal == Signal.Stop && _stopping)) _control?.Hurry();
        _stopping = true;
        // A process that is taking over finishes that first: the stop is meant for the node, whichever process it is by then.
        if (predecessor is null || signal == Signal.StopNow) _starting.Cancel();
        _signals.Writer.TryWrite(signal);
    });

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Information, "node {Name}, ActorLb {Version}, process {Pid}, admin endpoint {Scheme}://{Admin}")]
        public static partial void Started(ILogger logger, string name, string version, int pid, string scheme, System.Net.IPEndPoint admin);

        [LoggerMessage(3002, LogLevel.Critical, "cannot start: {Reason}")]
        public static partial void CannotStart(ILogger logger, string reason);

        [LoggerMessage(3006, LogLevel.Information, "the node has left its fleet as requested: it drains and stops")]
        public static partial void LeftFleet(ILogger logger);

        [LoggerMessage(3007, LogLevel.Critical, "the node has failed and exits")]
        public static partial void Failed(ILogger logger, Exception e);

        [LoggerMessage(3008, LogLevel.Error, "a reload failed; the node keeps running")]
        public static partial void ReloadFailed(ILogger logger, Exception e);

        [LoggerMessage(3005, LogLevel.Information, "stopped")]
        public static partial void Stopped(ILogger logger);
    }
}
