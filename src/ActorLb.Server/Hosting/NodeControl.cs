using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Failures;
using ActorLb.Server.Admin;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>
/// Applies changes to a running node, one at a time, whether they come by signal or over the admin API. A draining node is not changed
/// any more.
/// </summary>
/// <param name="path">The configuration file that a reload reads.</param>
internal sealed partial class NodeControl(Node node, NodeLogging logging, string path, TimeProvider time)
{
    private const string DrainsAlready = "the node is draining: it cannot be changed before it exits or resumes";
    private const string Ends = "the node is exiting: its drain cannot be cancelled any more";

    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(500);

    private readonly ILogger _logger = logging.Factory.CreateLogger("ActorLb.Server");
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _hurry = new();

    // Cancels a reload that is still reading files, so that a stop does not wait for a disk. Replaced when the node resumes.
    private CancellationTokenSource _leaving = new();
    // Cancels a drain on resume. Replaced with it.
    private CancellationTokenSource _resuming = new();
    private readonly Lock _gate = new();
    // The file that the process holds, even if a later configuration names another.
    private string? _pidFile = node.Options.Node.PidFile;
    private ProgressFile _progress = new(node.Options.Node.PidFile);
    private Task? _drain;
    private bool _isEnding;
    private int _reloads;

    /// <summary>The full path, for admin API clients whose working directory differs.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>The admin endpoint's actual settings, even if a later configuration differs.</summary>
    public AdminOptions Admin { get; } = node.Options.Admin;

    /// <summary>Counters of the export to a collector.</summary>
    public Otlp.OtlpCounters Otlp { get; } = new();

    /// <summary>The admin endpoint's token; a reload reads its file again.</summary>
    public AdminToken Token { get; } = new();

    /// <summary>The log level in force; a reload restores the configured one.</summary>
    public LogLevelName Level
    {
        get => logging.Level;
        set
        {
            logging.Level = value;
            node.Events.Publish("log_level", ConfigurationNames.NameOf(ConfigurationNames.LogLevel, value));
        }
    }

    /// <summary>The latest reload; null when there was none.</summary>
    public (DateTimeOffset At, ReloadReport Report)? LastReload { get; private set; }

    /// <summary>Reloads since the start.</summary>
    public int Applied { get; private set; }

    public int Rejected { get; private set; }

    /// <summary>Records for `actorlb reload` which file this node reads.</summary>
    public void LeaveFirstReport()
    {
        if (_pidFile is not null) Leave(Report(true), _pidFile);
    }

    /// <summary>Reads the file again and applies all of it or nothing; returns the outcome.</summary>
    public async Task<ReloadReport> ReloadAsync()
    {
        if (_turn.CurrentCount == 0) _progress.Say("is finishing another change first");
        await _turn.WaitAsync();
        _reloads++;
        try
        {
            var report = node.IsDraining ? Report(false, DrainsAlready) : await ApplyAsync();
            var level = report.Accepted ? LogLevel.Warning : LogLevel.Error;
            foreach (string message in report.Messages) Log.ReloadMessage(_logger, level, message);
            Log.Reloaded(_logger, path, report.Accepted ? "applied" : "rejected, the old configuration stays");
            LastReload = (time.GetUtcNow(), report);
            if (report.Accepted) Applied++;
            else Rejected++;
            if (!report.Accepted) node.Events.Publish("config_rejected", string.Join('\n', report.Messages));
            if (_pidFile is not null) Leave(report, _pidFile);
            return report;
        }
        finally
        {
            _progress.Say(null);
            _turn.Release();
        }
    }

    /// <summary>Stops or resumes accepting connections; in between, the kernel refuses new ones.</summary>
    public async Task<Refusal?> PauseAsync(string listener, bool paused)
    {
        await _turn.WaitAsync();
        try
        {
            if (node.IsDraining) return new Refusal(RefusalKind.Refused, DrainsAlready);
            if (node.ListenerSet.Find(listener) is not { } found)
            {
                return new Refusal(RefusalKind.Unknown, $"the listener '{listener}' no longer exists");
            }
            if (found.Paused == paused) return null;
            await node.SetPausedAsync(found, paused);
            node.Events.Publish(paused ? "listener_paused" : "listener_resumed", listener);
            return null;
        }
        catch (IOException e)
        {
            return new Refusal(RefusalKind.Refused, e.Message);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Drains the node, or joins the current drain; completes when it does.</summary>
    /// <param name="toEnd">The process exits afterwards: the drain cannot be cancelled any more.</param>
    public Task DrainAsync(TimeSpan within, bool toEnd = false)
    {
        lock (_gate)
        {
            _leaving.Cancel();
            _isEnding |= toEnd;
            return _drain ??= DrainCoreAsync(within, _resuming.Token);
        }
    }

    /// <summary>Cancels a drain: connections that are still open stay, and the node accepts clients again.</summary>
    /// <returns>How many connections were still open.</returns>
    public async Task<(Refusal? Refusal, int Stayed)> ResumeAsync()
    {
        Task drain;
        lock (_gate)
        {
            if (_isEnding) return (new Refusal(RefusalKind.Refused, Ends), 0);
            if (_drain is null) return (new Refusal(RefusalKind.Refused, "the node is not draining"), 0);
            drain = _drain;
            // A stop from now on starts another drain.
            _drain = null;
            _resuming.Cancel();
        }
        await drain;
        await _turn.WaitAsync();
        try
        {
            lock (_gate)
            {
                if (_isEnding || _drain is not null) return (new Refusal(RefusalKind.Refused, Ends), 0);
                (_leaving, _resuming) = (new CancellationTokenSource(), new CancellationTokenSource());
            }
            return (null, await node.ResumeAsync(_leaving.Token));
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            lock (_gate) _drain ??= Task.CompletedTask;
            return (new Refusal(RefusalKind.Refused, e is IOException ? $"{e.Message}; the node stays drained" : Ends), 0);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Hands the node over to another process when its turn comes: nothing else changes the node meanwhile.</summary>
    /// <param name="handOver">Returns null on success, otherwise the reason.</param>
    public async Task<string?> HandOverAsync(Func<ProgressFile, Task<string?>> handOver)
    {
        await _turn.WaitAsync();
        try
        {
            if (node.IsDraining) return DrainsAlready;
            if (await handOver(_progress) is { } failure) return failure;
            // From now on the files beside the pid-file belong to the other process.
            _progress.Say(null);
            _pidFile = null;
            _progress = new ProgressFile(null);
            return null;
        }
        finally
        {
            _progress.Say(null);
            _turn.Release();
        }
    }

    /// <summary>Makes a drain close all remaining connections at once.</summary>
    public void Hurry() => _hurry.Cancel();

    /// <summary>Waits for the current change, including a hurried drain, and allows none afterwards: the node may then be
    /// disposed.</summary>
    public async Task EndAsync()
    {
        lock (_gate)
        {
            _isEnding = true;
            _leaving.Cancel();
        }
        Hurry();
        await _turn.WaitAsync();
    }

    private async Task DrainCoreAsync(TimeSpan within, CancellationToken resumes)
    {
        await _turn.WaitAsync();
        try
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(_hurry.Token, resumes);
            var drain = node.DrainAsync(within, ends.Token);
            long start = time.GetTimestamp();
            while (!drain.IsCompleted)
            {
                SayDrain(within - time.GetElapsedTime(start));
                await Task.WhenAny(drain, Task.Delay(ProgressEvery, time));
            }
            await drain;
            if (!resumes.IsCancellationRequested) node.Events.Publish("node_drained", $"{node.Admission.Active} connections are left");
        }
        finally
        {
            _progress.Say(_isEnding ? "has closed its connections and is exiting" : null);
            _turn.Release();
        }
    }

    private void SayDrain(TimeSpan left) => _progress.Say(node.IsDraining
        ? $"is closing its connections: {node.Admission.Active} are left, for {Math.Max(0, Math.Ceiling(left.TotalSeconds))} s"
        : "is handing over its shards to the fleet's other nodes");

    private async Task<ReloadReport> ApplyAsync()
    {
        try
        {
            _progress.Say($"is reading {path} and its includes");
            var loaded = await FileReading.RunAsync(() => ConfigurationLoader.Load(path), _leaving.Token);
            _progress.Say("is reading the certificates, keys and other files that it names");
            var result = await FileReading.RunAsync(() => NamedFiles.Check(loaded), _leaving.Token);
            if (result.Options is not { } options) return Report(false, [.. result.Errors.Select(e => e.ToString())]);
            byte[]? token = await FileReading.RunAsync(() => AdminToken.ReadHash(options.Admin.TokenFile), _leaving.Token);
            _progress.Say("is applying the configuration: listeners, certificates, and addresses of new backends");
            var restart = await node.ReloadAsync(options, _leaving.Token);
            logging.Level = options.Log.Level;
            // An endpoint reachable from outside must not lose its token before it has moved to loopback.
            if (token is null && Token.IsSet && !MayBeOpen(Admin)) restart = restart.Add("actorlb.admin.token-file");
            else Token.Set(token, options.Admin.TokenFile);
            // The node logs warnings about file contents itself, as it does when it finds the files changed.
            return Report(true, [.. loaded.Warnings.Select(w => w.ToString()), .. restart.Select(r => $"{r} takes effect only after a restart")]);
        }
        catch (Exception e) when (e is IOException or TlsConfigurationException or UnauthorizedAccessException)
        {
            return Report(false, FailureText.Describe(e));
        }
        catch (OperationCanceledException) when (_leaving.IsCancellationRequested)
        {
            return Report(false, DrainsAlready);
        }
    }

    private ReloadReport Report(bool accepted, params string[] messages) => new(_reloads, accepted, messages) { Configuration = Path };

    private static bool MayBeOpen(AdminOptions admin) => System.Net.IPAddress.IsLoopback(admin.Bind.Address) || admin.Tls is { Ca: not null };

    private void Leave(ReloadReport report, string pidFile)
    {
        try
        {
            report.Write(pidFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.ReloadMessage(_logger, LogLevel.Warning, $"the outcome cannot be written beside {pidFile}: {FileFailure.Describe(e, "")}");
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3003, LogLevel.Information, "configuration {Path}: {Outcome}")]
        public static partial void Reloaded(ILogger logger, string path, string outcome);

        [LoggerMessage(EventId = 3004, Message = "reload: {Problem}")]
        public static partial void ReloadMessage(ILogger logger, LogLevel level, string problem);
    }
}
