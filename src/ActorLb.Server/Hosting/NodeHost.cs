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

/// <summary>Runs a node as a process: pid-file, admin endpoint, signals. SIGHUP reloads, SIGUSR1 opens the logs again, SIGTERM and SIGINT
/// drain and stop (a second one stops at once), SIGQUIT stops at once (a second one ends the process as it is), SIGUSR2 has another process
/// take over. No signal waits for what another began.</summary>
/// <param name="predecessor">The process whose place this one takes; null as a rule.</param>
internal sealed partial class NodeHost(string path, ActorLbOptions options, Predecessor? predecessor = null)
{
    private const int SIGHUP = 1, SIGQUIT = 3, SIGUSR1 = 10, SIGUSR2 = 12; // signal(7)

    private readonly Channel<Signal> _signals = Channel.CreateBounded<Signal>(
        new BoundedChannelOptions(16) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    // Reloads take their turn beside the other signals: a slow one holds up no stop. One that waits stands for all that come meanwhile.
    private readonly Channel<bool> _reloads = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private readonly CancellationTokenSource _starting = new();

    private volatile NodeControl? _control;
    private volatile Node? _node;
    private volatile bool _stopping;
    private volatile bool _stoppingNow;
    private PidFile? _pidFile;

    // Of the process before, where this one's is another.
    private PidFile? _replacedPidFile;
    private bool _handedOver;

    private enum Signal { Reload, Reopen, Stop, StopNow, Upgrade, HandedOver }

    /// <summary>Runs until told to stop; the exit code.</summary>
    public async Task<int> RunAsync()
    {
        _ = OwnCommand.Words;
        using var logging = new NodeLogging(options.Log);
        ILogger logger = logging.Factory.CreateLogger("ActorLb.Server");
        bool started = false;
        try
        {
            // One that takes over has what the other holds until then.
            if (predecessor is null) TakePidFile();
            // A shell without job control starts what it puts in the background with SIGQUIT ignored (POSIX, 2.11), nohup(1) what it starts
            // with SIGHUP, and the runtime would respect that: `actorlb stop --now` and `actorlb reload` could not reach such a node.
            OtherSignals.SetDefault(SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2);
            using PosixSignalRegistration hup = On(PosixSignal.SIGHUP, Signal.Reload);
            using PosixSignalRegistration? reopen = OperatingSystem.IsLinux() ? On((PosixSignal)SIGUSR1, Signal.Reopen) : null;
            using PosixSignalRegistration? upgrade = OperatingSystem.IsLinux() ? On((PosixSignal)SIGUSR2, Signal.Upgrade) : null;
            using PosixSignalRegistration term = On(PosixSignal.SIGTERM, Signal.Stop);
            using PosixSignalRegistration interrupt = On(PosixSignal.SIGINT, Signal.Stop);
            using PosixSignalRegistration quit = On(PosixSignal.SIGQUIT, Signal.StopNow);
            await using var node = new Node(options, logging.Factory, TimeProvider.System, predecessor?.Offer.StickyKey);
            var control = new NodeControl(node, logging, path, TimeProvider.System);
            _control = control;
            _node = node;
            FailureText.Prepare();
            if (predecessor is not null) await TakeOverAsync(predecessor, node);
            control.LeaveFirstReport();
            await using var admin = new AdminHolder(node, logging, control);
            await using OtlpExport? export = options.Telemetry.Otlp is { Endpoint: not null } otlp
                ? OtlpExport.Start(otlp, node, admin.WriteMetrics, control.Otlp, TimeProvider.System, logger) : null;
            // The admin endpoint first: a port in use is told before any client is taken.
            await admin.StartAsync(options.Admin);
            await node.StartAsync(_starting.Token);
            Log.Started(
                logger, options.Node.Name, Program.Version, Environment.ProcessId, options.Admin.Tls is null ? "http" : "https", admin.Address);
            await using ServiceManager? service = ServiceManager.Find(node.Reactors, predecessor is not null, logger);
            service?.Ready();
            if (predecessor is not null) await predecessor.SayAsync(UpgradeStep.Serving, null, _starting.Token);
            started = true;
            if (_replacedPidFile is { } replaced)
            {
                ReloadReport.Delete(replaced.Path);
                replaced.Dispose();
            }
            _ = WatchFleetAsync(node, logger);
            Task reloading = ReloadAsync(control, service, logger);
            var upgrading = new NodeUpgrade(
                node, control, control.Path, _pidFile, admin.StopAsync, () => admin.StartAsync(options.Admin), logger);
            await ServeAsync(node, control, upgrading, service);
            _reloads.Writer.TryComplete();
            await control.EndAsync();
            await reloading;
            Log.Stopped(logger);
            return 0;
        }
        catch (OperationCanceledException) when (_starting.IsCancellationRequested)
        {
            Log.Stopped(logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or TlsConfigurationException or UnauthorizedAccessException)
        {
            if (started) Log.Failed(logger, e);
            else Log.CannotStart(logger, FailureText.Describe(e));
            if (predecessor is not null && !started) await predecessor.FailAsync(FailureText.Describe(e));
            return 1;
        }
        finally
        {
            _control = null;
            _node = null;
            GiveUpPidFile(isOurs: !_handedOver && (started || predecessor is null));
        }
    }

    /// <param name="isOurs">Else it is the other process's, or still is.</param>
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
            // The file of its own that it has taken is nobody's; the other process has its own still.
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

    /// <summary>Waits until the other process accepts nobody any more, and takes what it leaves.</summary>
    private async Task TakeOverAsync(Predecessor other, Node node)
    {
        await other.SayAsync(UpgradeStep.Prepared, null, _starting.Token);
        await other.TakeOverAsync(node, _starting.Token);
        if (other.Offer is { PidFile: { } left, PidDescriptor: >= 0 and var descriptor })
        {
            PidFile adopted = PidFile.Adopt(left, descriptor);
            if (left == options.Node.PidFile) _pidFile = adopted;
            else _replacedPidFile = adopted;
        }
        if (_pidFile is null) TakePidFile();
    }

    /// <summary>A node that was told to leave its fleet drains and ends.</summary>
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
        Task<bool> upgrading = Task.FromResult(false);
        await foreach (Signal signal in _signals.Reader.ReadAllAsync())
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
                // The old configuration is in force, or what came of the new one; the node goes on.
                Log.ReloadFailed(logger, e);
            }
            service?.Reloaded(accepted);
        }
    }

    private PosixSignalRegistration On(PosixSignal posix, Signal signal) => PosixSignalRegistration.Create(posix, context =>
    {
        // Whoever sends it a second time means the process, whatever keeps it.
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
        // One that takes another's place does so first: what was told to stop is the node, whichever process it is by then.
        if (predecessor is null || signal == Signal.StopNow) _starting.Cancel();
        _signals.Writer.TryWrite(signal);
    });

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Information, "node {Name}, ActorLb {Version}, process {Pid}, admin endpoint {Scheme}://{Admin}")]
        public static partial void Started(ILogger logger, string name, string version, int pid, string scheme, System.Net.IPEndPoint admin);

        [LoggerMessage(3002, LogLevel.Critical, "cannot start: {Reason}")]
        public static partial void CannotStart(ILogger logger, string reason);

        [LoggerMessage(3006, LogLevel.Information, "the node has left its fleet, as it was told to: it drains and stops")]
        public static partial void LeftFleet(ILogger logger);

        [LoggerMessage(3007, LogLevel.Critical, "the node has failed and ends")]
        public static partial void Failed(ILogger logger, Exception e);

        [LoggerMessage(3008, LogLevel.Error, "a reload failed; the node goes on")]
        public static partial void ReloadFailed(ILogger logger, Exception e);

        [LoggerMessage(3005, LogLevel.Information, "stopped")]
        public static partial void Stopped(ILogger logger);
    }
}
