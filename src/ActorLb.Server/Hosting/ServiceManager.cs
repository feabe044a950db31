using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Hosting;

/// <summary>
/// Reports to the service manager that started the process, as sd_notify(3) says: when it takes clients, reloads, stops, or has handed over to
/// another process. The watchdog is fed while every reactor answers.
/// </summary>
/// <param name="watchdog">How long the manager waits for a word from the watchdog; zero when it asks for none.</param>
/// <param name="notify">Sends it a message.</param>
internal sealed partial class ServiceManager(
    IReadOnlyList<Reactor> reactors, TimeSpan watchdog, Action<string> notify, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    // As sd_watchdog_enabled(3) recommends.
    private readonly TimeSpan _every = TimeSpan.FromMilliseconds(Math.Max(1, watchdog.TotalMilliseconds / 2));

    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    // Nothing that ends later, such as a reload, contradicts the last word.
    private volatile bool _hasEnded;
    private int _failed;

    /// <summary>Null when nobody listens: then none of this is even loaded.</summary>
    /// <param name="inherited">The environment is that of the process whose place this one takes: its watchdog is meant for this one as well.</param>
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

    /// <summary>The node takes clients; from now on the watchdog is fed.</summary>
    public void Ready()
    {
        Say("READY=1\nSTATUS=takes clients");
        if (watchdog > TimeSpan.Zero) _watching = WatchAsync(_stop.Token);
    }

    /// <summary>A reload begins; <see cref="Reloaded"/> ends it.</summary>
    public void Reloading() => Say("RELOADING=1\nSTATUS=reads its configuration again");

    public void Reloaded(bool accepted) =>
        Say($"READY=1\nSTATUS=takes clients{(accepted ? "" : "; the newest configuration was rejected, the one before is in force")}");

    public void Stopping()
    {
        Say("STOPPING=1\nSTATUS=closes its connections");
        _hasEnded = true;
    }

    /// <summary>The service is the other process from now on: this one says nothing more.</summary>
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

    /// <summary>Of sd_watchdog_enabled(3); zero when none is asked for.</summary>
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

    /// <summary>Asks at half of the manager's time, and the reactors have as long to answer.</summary>
    private async Task WatchAsync(CancellationToken stop)
    {
        try
        {
            using var timer = new PeriodicTimer(_every, time);
            do
            {
                Task answers = Task.WhenAll(reactors.Select(r => r.AskAsync(static _ => true)));
                Task late = Task.Delay(_every, time, stop);
                if (await Task.WhenAny(answers, late) == late)
                {
                    stop.ThrowIfCancellationRequested();
                    Log.NotAnswered(logger, _every.TotalSeconds);
                    // One question at a time: what does not answer gets no queue of them.
                    await answers.WaitAsync(stop);
                }
                Say("WATCHDOG=1");
            }
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of the watch.
        }
    }

    private void Say(string state)
    {
        if (_hasEnded) return;
        try
        {
            notify(state);
        }
        // A path that no socket can have is the latter.
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            if (Interlocked.Exchange(ref _failed, 1) == 0) Log.NotTold(logger, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3070, LogLevel.Error, "a reactor has not answered within {Seconds} s: the service manager's watchdog is not fed until it does")]
        public static partial void NotAnswered(ILogger logger, double seconds);

        [LoggerMessage(3051, LogLevel.Warning, "the service manager cannot be told of the node's state: {Reason}")]
        public static partial void NotTold(ILogger logger, string reason);
    }
}
