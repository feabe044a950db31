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
/// What changes a running node, one thing at a time, whoever asks: signals or the admin API. A node that drains is not changed any more.
/// </summary>
/// <param name="path">The configuration file that a reload reads.</param>
internal sealed partial class NodeControl(Node node, NodeLogging logging, string path, TimeProvider time)
{
    private const string DrainsAlready = "the node drains: nothing of it is changed before it ends or resumes";
    private const string Ends = "the node ends: its drain is not taken back any more";

    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(500);

    private readonly ILogger _logger = logging.Factory.CreateLogger("ActorLb.Server");
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _hurry = new();

    // Ends a reload that still reads files: a node that leaves does not wait for a disk. Replaced when the node resumes.
    private CancellationTokenSource _leaving = new();
    // Ends a drain that is taken back. Replaced with it.
    private CancellationTokenSource _resuming = new();
    private readonly Lock _gate = new();
    // The file that the process holds, whatever a later configuration says.
    private string? _pidFile = node.Options.Node.PidFile;
    private ProgressFile _progress = new(node.Options.Node.PidFile);
    private Task? _drain;
    private bool _isEnding;
    private int _reloads;

    /// <summary>In full: who asks over the admin endpoint stands elsewhere.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>The admin endpoint as it listens, whatever a later configuration says.</summary>
    public AdminOptions Admin { get; } = node.Options.Admin;

    /// <summary>What the admin endpoint asks for; a reload reads its file again.</summary>
    /// <summary>What the export to a collector came to.</summary>
    public Otlp.OtlpCounters Otlp { get; } = new();

    public AdminToken Token { get; } = new();

    /// <summary>The level in force; a reload sets the configured one again.</summary>
    public LogLevelName Level
    {
        get => logging.Level;
        set
        {
            logging.Level = value;
            node.Events.Publish("log_level", ConfigurationNames.NameOf(ConfigurationNames.LogLevel, value));
        }
    }

    /// <summary>The newest reload; null when there was none.</summary>
    public (DateTimeOffset At, ReloadReport Report)? LastReload { get; private set; }

    /// <summary>Reloads since the start.</summary>
    public int Applied { get; private set; }

    public int Rejected { get; private set; }

    /// <summary>Tells `actorlb reload` which file this node reads.</summary>
    public void LeaveFirstReport()
    {
        if (_pidFile is not null) Leave(Report(true), _pidFile);
    }

    /// <summary>Reads the file again and applies it, whole or not at all; what came of it.</summary>
    public async Task<ReloadReport> ReloadAsync()
    {
        if (_turn.CurrentCount == 0) _progress.Say("ends another change first");
        await _turn.WaitAsync();
        _reloads++;
        try
        {
            ReloadReport report = node.IsDraining ? Report(false, DrainsAlready) : await ApplyAsync();
            LogLevel level = report.Accepted ? LogLevel.Warning : LogLevel.Error;
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

    /// <summary>Stops or goes on taking connections; who connects meanwhile is refused by the kernel.</summary>
    public async Task<Refusal?> PauseAsync(string listener, bool paused)
    {
        await _turn.WaitAsync();
        try
        {
            if (node.IsDraining) return new Refusal(RefusalKind.Refused, DrainsAlready);
            if (node.ListenerSet.Find(listener) is not { } found)
            {
                return new Refusal(RefusalKind.Unknown, $"the listener '{listener}' is gone");
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

    /// <summary>Drains the node, or joins the drain that goes on; ends with it.</summary>
    /// <param name="toEnd">The process ends with it: it is not taken back any more.</param>
    public Task DrainAsync(TimeSpan within, bool toEnd = false)
    {
        lock (_gate)
        {
            _leaving.Cancel();
            _isEnding |= toEnd;
            return _drain ??= DrainCoreAsync(within, _resuming.Token);
        }
    }

    /// <summary>Takes a drain back: what it has not closed yet stays, and the node takes clients again.</summary>
    /// <returns>How many connections the drain had left.</returns>
    public async Task<(Refusal? Refusal, int Stayed)> ResumeAsync()
    {
        Task drain;
        lock (_gate)
        {
            if (_isEnding) return (new Refusal(RefusalKind.Refused, Ends), 0);
            if (_drain is null) return (new Refusal(RefusalKind.Refused, "the node does not drain"), 0);
            drain = _drain;
            // Who is told to stop from now on begins another.
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

    /// <summary>Hands the node over to another process, as its turn comes: nothing else changes the node meanwhile.</summary>
    /// <param name="handOver">Null when it is done, else why not.</param>
    public async Task<string?> HandOverAsync(Func<ProgressFile, Task<string?>> handOver)
    {
        await _turn.WaitAsync();
        try
        {
            if (node.IsDraining) return DrainsAlready;
            if (await handOver(_progress) is { } failure) return failure;
            // The files beside the pid-file are the other process's from now on.
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

    /// <summary>Has a drain close at once what is still open.</summary>
    public void Hurry() => _hurry.Cancel();

    /// <summary>Waits for what is being changed, a hurried drain included, and changes nothing from then on: the node may be disposed.</summary>
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
            Task drain = node.DrainAsync(within, ends.Token);
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
            _progress.Say(_isEnding ? "has closed its connections, and ends" : null);
            _turn.Release();
        }
    }

    private void SayDrain(TimeSpan left) => _progress.Say(node.IsDraining
        ? $"closes its connections: {node.Admission.Active} are left, and {Math.Max(0, Math.Ceiling(left.TotalSeconds))} s"
        : "hands its part of the map over to the fleet's other nodes");

    private async Task<ReloadReport> ApplyAsync()
    {
        try
        {
            _progress.Say($"reads {path} and what it includes");
            ConfigurationResult loaded = await FileReading.RunAsync(() => ConfigurationLoader.Load(path), _leaving.Token);
            _progress.Say("reads the certificates, keys and other files that are named");
            ConfigurationResult result = await FileReading.RunAsync(() => NamedFiles.Check(loaded), _leaving.Token);
            if (result.Options is not { } options) return Report(false, [.. result.Errors.Select(e => e.ToString())]);
            byte[]? token = await FileReading.RunAsync(() => AdminToken.ReadHash(options.Admin.TokenFile), _leaving.Token);
            _progress.Say("puts the configuration into force: listeners, certificates, and addresses of new backends");
            ImmutableArray<string> restart = await node.ReloadAsync(options, _leaving.Token);
            logging.Level = options.Log.Level;
            // An endpoint that others reach does not lose its token before it has moved to loopback.
            if (token is null && Token.IsSet && !MayBeOpen(Admin)) restart = restart.Add("actorlb.admin.token-file");
            else Token.Set(token, options.Admin.TokenFile);
            // What the files will surprise with the node logs itself, as it does when it finds them changed.
            return Report(true, [.. loaded.Warnings.Select(w => w.ToString()), .. restart.Select(r => $"{r} changes only with a restart")]);
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
            Log.ReloadMessage(_logger, LogLevel.Warning, $"its outcome cannot be left in {pidFile}: {FileFailure.Describe(e, "")}");
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
