using System.Runtime.InteropServices;
using System.Threading.Channels;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Server.Admin;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>Runs a node as a process: pid-file, admin endpoint, signals. SIGHUP reloads, SIGTERM and SIGINT drain and stop (a second
/// one stops at once), SIGQUIT stops at once.</summary>
internal sealed partial class NodeHost(string path, ActorLbOptions options)
{
    private const int SIGHUP = 1, SIGQUIT = 3, SIG_DFL = 0; // signal(7)

    private readonly Channel<Signal> _signals = Channel.CreateBounded<Signal>(
        new BoundedChannelOptions(16) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private readonly CancellationTokenSource _starting = new();

    private volatile NodeControl? _control;
    private bool _stopping;
    private int _exitCode;

    private enum Signal { Reload, Stop, StopNow }

    /// <summary>Runs until told to stop; the exit code.</summary>
    public async Task<int> RunAsync()
    {
        using var logging = new NodeLogging(options.Log);
        ILogger logger = logging.Factory.CreateLogger("ActorLb.Server");
        PidFile? pidFile = null;
        try
        {
            if (options.Node.PidFile is { } file)
            {
                pidFile = PidFile.Take(file);
                ReloadReport.Delete(file);
            }
            // A shell without job control starts what it puts in the background with SIGQUIT ignored (POSIX, 2.11), nohup(1) what it starts
            // with SIGHUP, and the runtime would respect that: `actorlb stop --now` and `actorlb reload` could not reach such a node.
            Libc.signal(SIGQUIT, SIG_DFL);
            Libc.signal(SIGHUP, SIG_DFL);
            using PosixSignalRegistration hup = On(PosixSignal.SIGHUP, Signal.Reload);
            using PosixSignalRegistration term = On(PosixSignal.SIGTERM, Signal.Stop);
            using PosixSignalRegistration interrupt = On(PosixSignal.SIGINT, Signal.Stop);
            using PosixSignalRegistration quit = On(PosixSignal.SIGQUIT, Signal.StopNow);
            await using var node = new Node(options, logging.Factory, TimeProvider.System);
            var control = new NodeControl(node, logging, path);
            _control = control;
            await using var admin = new AdminEndpoint(node, logging, control);
            // The admin endpoint first: a port in use is told before any client is taken.
            await admin.StartAsync(options.Admin);
            await node.StartAsync(_starting.Token);
            Log.Started(logger, options.Node.Name, Program.Version, Environment.ProcessId, options.Admin.Tls is null ? "http" : "https", admin.Address);
            _ = WatchFleetAsync(node, logger);
            await ServeAsync(node, control);
            await control.EndAsync();
            Log.Stopped(logger);
            return _exitCode;
        }
        catch (OperationCanceledException) when (_starting.IsCancellationRequested)
        {
            Log.Stopped(logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or TlsConfigurationException or UnauthorizedAccessException)
        {
            Log.CannotStart(logger, e.Message);
            return 1;
        }
        finally
        {
            _control = null;
            if (pidFile is not null) ReloadReport.Delete(pidFile.Path);
            pidFile?.Dispose();
        }
    }

    /// <summary>A node that the fleet gave up must not go on as if it belonged to it: it drains, and ends with an error unless it was
    /// asked to leave.</summary>
    private async Task WatchFleetAsync(Node node, ILogger logger)
    {
        if (node.InFleet is not { } fleet) return;
        Fleet.FleetEnd end = await fleet.Node.Ended;
        if (_stopping) return;
        if (!end.IsPlanned) _exitCode = 1;
        Log.LeftFleet(logger, end.IsPlanned ? LogLevel.Information : LogLevel.Critical, end.Reason);
        _stopping = true;
        _signals.Writer.TryWrite(Signal.Stop);
    }

    private async Task ServeAsync(Node node, NodeControl control)
    {
        await foreach (Signal signal in _signals.Reader.ReadAllAsync())
        {
            switch (signal)
            {
                case Signal.Reload:
                    await control.ReloadAsync();
                    break;
                case Signal.Stop:
                    await control.DrainAsync(node.Options.Node.DrainTimeout);
                    return;
                case Signal.StopNow:
                    return;
            }
        }
    }

    private PosixSignalRegistration On(PosixSignal posix, Signal signal) => PosixSignalRegistration.Create(posix, context =>
    {
        context.Cancel = true;
        if (signal == Signal.StopNow || (signal == Signal.Stop && _stopping)) _control?.Hurry();
        if (signal != Signal.Reload)
        {
            _stopping = true;
            _starting.Cancel();
        }
        _signals.Writer.TryWrite(signal);
    });

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Information, "node {Name}, ActorLb {Version}, process {Pid}, admin endpoint {Scheme}://{Admin}")]
        public static partial void Started(ILogger logger, string name, string version, int pid, string scheme, System.Net.IPEndPoint admin);

        [LoggerMessage(3002, LogLevel.Critical, "cannot start: {Reason}")]
        public static partial void CannotStart(ILogger logger, string reason);

        [LoggerMessage(EventId = 3006, Message = "this node is no longer part of the fleet: {Reason}; it drains and stops")]
        public static partial void LeftFleet(ILogger logger, LogLevel level, string reason);

        [LoggerMessage(3005, LogLevel.Information, "stopped")]
        public static partial void Stopped(ILogger logger);
    }
}
