using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>
/// Reports to the service manager that started the process, as in sd_notify(3), when it accepts clients, reloads, stops, or has handed
/// over to another process. The watchdog is fed while every reactor answers.
/// </summary>
/// <param name="watchdog">The manager's watchdog time; zero when it has none.</param>
/// <param name="notify">Sends a message to it.</param>
internal sealed partial class ServiceManager(
    IReadOnlyList<Reactor> reactors, TimeSpan watchdog, Action<string> notify, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    // As sd_watchdog_enabled(3) recommends.
    private readonly TimeSpan _every = TimeSpan.FromMilliseconds(Math.Max(1, watchdog.TotalMilliseconds / 2));

    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    // Anything that finishes later, such as a reload, must not contradict the last message.
    private volatile bool _hasEnded;
    private int _failed;

    /// <summary>Null when no manager listens; nothing of this is loaded then.</summary>
    /// <param name="inherited">The environment is the replaced process's: its watchdog settings apply to this one too.</param>
    public static ServiceManager? Find(IReadOnlyList<Reactor> reactors, bool inherited, ILogger logger)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 0 }) return null;
        return new ServiceManager(reactors, WatchdogOf(inherited), Notifier(), TimeProvider.System, logger);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Action<string> Notifier()
    {
        var notifier = new SystemdNotifier();
        return state => notifier.Notify(new ServiceState(state));
    }

    /// <summary>The node accepts clients; from now on the watchdog is fed.</summary>
    public void Ready()
    {
        Say("READY=1\nSTATUS=accepts clients");
        if (watchdog > TimeSpan.Zero) _watching = WatchAsync(_stop.Token);
    }

    /// <summary>A reload begins; <see cref="Reloaded"/> ends it.</summary>
    public void Reloading() => Say("RELOADING=1\nSTATUS=is reloading its configuration");

    public void Reloaded(bool accepted) =>
        Say($"READY=1\nSTATUS=accepts clients{(accepted ? "" : "; the latest configuration was rejected, the previous one is in force")}");

    public void Stopping()
    {
        Say("STOPPING=1\nSTATUS=is closing its connections");
        _hasEnded = true;
    }

    /// <summary>From now on the service is the other process: this one reports nothing more.</summary>
    public async Task HandOverAsync(int pid)
    {
        await EndWatchAsync();
        Say($"MAINPID={pid.ToString(CultureInfo.InvariantCulture)}\nSTATUS=process {pid.ToString(CultureInfo.InvariantCulture)} has taken over");
        _hasEnded = true;
    }

    public async ValueTask DisposeAsync()
    {
        await EndWatchAsync();
        _stop.Dispose();
    }

    private async Task EndWatchAsync()
    {
        await _stop.CancelAsync();
        await _watching;
    }

    /// <summary>As in sd_watchdog_enabled(3); zero when no watchdog is requested.</summary>
    private static TimeSpan WatchdogOf(bool inherited)
    {
        if (!long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds)
            || microseconds > int.MaxValue * 1000L)
        {
            return TimeSpan.Zero;
        }
        string? pid = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        bool isMine = inherited || string.IsNullOrEmpty(pid) || pid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return isMine ? TimeSpan.FromMicroseconds(microseconds) : TimeSpan.Zero;
    }

    /// <summary>Checks at half of the manager's time, and the reactors have as long to answer.</summary>
    private async Task WatchAsync(CancellationToken stop)
    {
        try
        {
            using var timer = new PeriodicTimer(_every, time);
            do
            {
                Task answers = Task.WhenAll(reactors.Select(r => r.AskAsync(static _ => true)));
                var late = Task.Delay(_every, time, stop);
                if (await Task.WhenAny(answers, late) == late)
                {
                    stop.ThrowIfCancellationRequested();
                    Log.NotAnswered(logger, _every.TotalSeconds);
                    // One check at a time: a reactor that does not answer must not get a queue of them.
                    await answers.WaitAsync(stop);
                }
                Say("WATCHDOG=1");
            }
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The watchdog is stopped.
        }
    }

    private void Say(string state)
    {
        if (_hasEnded) return;
        try
        {
            notify(state);
        }
        // A path that no socket can have counts as the latter.
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            if (Interlocked.Exchange(ref _failed, 1) == 0) Log.NotTold(logger, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3070, LogLevel.Error, "a reactor did not answer within {Seconds} s: the service manager's watchdog is not fed until it does")]
        public static partial void NotAnswered(ILogger logger, double seconds);

        [LoggerMessage(3051, LogLevel.Warning, "cannot report the node's state to the service manager: {Reason}")]
        public static partial void NotTold(ILogger logger, string reason);
    }
}
