using System.Runtime.InteropServices;
using System.Threading.Channels;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Server.Admin;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>Runs a node as a process: pid-file, admin endpoint, signals. SIGHUP reloads, SIGTERM and SIGINT drain and stop (a second
/// one stops at once), SIGQUIT stops at once.</summary>
internal sealed partial class NodeHost(string path, ActorLbOptions options)
{
    private readonly Channel<Signal> _signals = Channel.CreateBounded<Signal>(
        new BoundedChannelOptions(16) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private readonly CancellationTokenSource _stopNow = new();
    private int _reloads;
    private bool _stopping;

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
                File.Delete(ReloadReport.PathFor(file));
            }
            using PosixSignalRegistration hup = On(PosixSignal.SIGHUP, Signal.Reload);
            using PosixSignalRegistration term = On(PosixSignal.SIGTERM, Signal.Stop);
            using PosixSignalRegistration interrupt = On(PosixSignal.SIGINT, Signal.Stop);
            using PosixSignalRegistration quit = On(PosixSignal.SIGQUIT, Signal.StopNow);
            await using var node = new Node(options, logging.Factory, TimeProvider.System);
            await using var admin = new AdminEndpoint(node, logging, () => ReloadAsync(node, logging, logger));
            // The admin endpoint first: a port in use is told before any client is taken.
            await admin.StartAsync(options.Admin);
            await node.StartAsync();
            Log.Started(logger, options.Node.Name, Program.Version, Environment.ProcessId, admin.Address);
            await ServeAsync(node, logging, logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or TlsConfigurationException or UnauthorizedAccessException)
        {
            Log.CannotStart(logger, e.Message);
            return 1;
        }
        finally
        {
            pidFile?.Dispose();
        }
    }

    private async Task ServeAsync(Node node, NodeLogging logging, ILogger logger)
    {
        await foreach (Signal signal in _signals.Reader.ReadAllAsync())
        {
            switch (signal)
            {
                case Signal.Reload:
                    await ReloadAsync(node, logging, logger);
                    break;
                case Signal.Stop:
                    await node.DrainAsync(node.Options.Node.DrainTimeout, _stopNow.Token);
                    Log.Stopped(logger);
                    return;
                case Signal.StopNow:
                    Log.Stopped(logger);
                    return;
            }
        }
    }

    /// <summary>Reads the file anew and applies it, whole or not at all; what came of it.</summary>
    private async Task<ReloadReport> ReloadAsync(Node node, NodeLogging logging, ILogger logger)
    {
        ReloadReport report;
        ConfigurationResult result = ConfigurationLoader.Load(path);
        if (result.Options is null)
        {
            report = new ReloadReport(++_reloads, false, [.. result.Errors.Select(e => e.ToString())]);
        }
        else
        {
            try
            {
                System.Collections.Immutable.ImmutableArray<string> restart = await node.ReloadAsync(result.Options);
                logging.Level = result.Options.Log.Level;
                report = new ReloadReport(++_reloads, true, [.. restart.Select(r => $"{r} changes only with a restart")]);
            }
            catch (Exception e) when (e is IOException or TlsConfigurationException or UnauthorizedAccessException)
            {
                report = new ReloadReport(++_reloads, false, [e.Message]);
            }
        }
        foreach (string message in report.Messages) Log.ReloadMessage(logger, report.Accepted ? LogLevel.Warning : LogLevel.Error, message);
        Log.Reloaded(logger, path, report.Accepted ? "applied" : "rejected, the old configuration stays");
        if (options.Node.PidFile is { } file)
        {
            try
            {
                report.Write(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Log.ReloadMessage(logger, LogLevel.Warning, e.Message);
            }
        }
        return report;
    }

    private PosixSignalRegistration On(PosixSignal posix, Signal signal) => PosixSignalRegistration.Create(posix, context =>
    {
        context.Cancel = true;
        if (signal == Signal.StopNow || (signal == Signal.Stop && _stopping)) _stopNow.Cancel();
        if (signal != Signal.Reload) _stopping = true;
        _signals.Writer.TryWrite(signal);
    });

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Information, "node {Name}, ActorLb {Version}, process {Pid}, admin endpoint http://{Admin}")]
        public static partial void Started(ILogger logger, string name, string version, int pid, System.Net.IPEndPoint admin);

        [LoggerMessage(3002, LogLevel.Critical, "cannot start: {Reason}")]
        public static partial void CannotStart(ILogger logger, string reason);

        [LoggerMessage(3003, LogLevel.Information, "configuration {Path}: {Outcome}")]
        public static partial void Reloaded(ILogger logger, string path, string outcome);

        [LoggerMessage(EventId = 3004, Message = "reload: {Message}")]
        public static partial void ReloadMessage(ILogger logger, LogLevel level, string message);

        [LoggerMessage(3005, LogLevel.Information, "stopped")]
        public static partial void Stopped(ILogger logger);
    }
}
