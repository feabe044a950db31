using System.Diagnostics;
using ActorLb.Native;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Limits;

/// <summary>
/// Looks at the system's memory once a second: while hardly any is left, new clients are refused; after a burst of connections the
/// memory that it took is given back. A loop of its own, so that no reactor waits for it.
/// </summary>
internal sealed partial class ResourceWatch(
    NodeServices services, IReadOnlyList<Reactor> reactors, Func<MemoryState> memory, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    /// <summary>How long a burst must be over, and the least time from one return to the next: each stops all threads for a moment.</summary>
    public static readonly TimeSpan Calm = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan Between = TimeSpan.FromSeconds(30);

    /// <summary>A connection's part of what a burst took: one of TLS, and its backend's.</summary>
    private const long ForEachConnection = 16 * 1024;

    /// <summary>Less is not worth the trouble.</summary>
    private const long WorthIt = 16 << 20;

    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;
    private long _peak;
    private long? _calmSince;
    private long? _returnedAt;

    /// <summary>Times that memory was given back.</summary>
    public int Returns { get; private set; }

    public void Start() => _loop = RunAsync(_stop.Token);

    /// <summary>Whether so little is left that a client more may be one too many: a sixteenth, at most 64 MiB; half as much again ends it.</summary>
    public static bool IsShort(MemoryState state, bool before)
    {
        long least = Math.Min(state.Total / 16, 64 << 20);
        return state.Left < (before ? least + (least / 2) : least);
    }

    /// <summary>One look.</summary>
    public async Task LookAsync()
    {
        LookAtMemory();
        long load = services.SetupBudget.Held + (services.Admission.Active * ForEachConnection);
        _peak = Math.Max(_peak, Math.Max(load, services.SetupBudget.TakePeak()));
        long now = time.GetTimestamp();
        bool over = _peak - load >= WorthIt && load <= _peak / 2;
        _calmSince = over ? _calmSince ?? now : null;
        bool due = services.Admission.MemoryShort || (_calmSince is { } since && time.GetElapsedTime(since, now) >= Calm);
        if (!due || (_returnedAt is { } last && time.GetElapsedTime(last, now) < Between)) return;
        _returnedAt = now;
        _calmSince = null;
        _peak = load;
        await ReturnAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
            {
                try
                {
                    await LookAsync().ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    Log.LookFailed(logger, e);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of the watch.
        }
    }

    private void LookAtMemory()
    {
        var state = memory();
        bool before = services.Admission.MemoryShort;
        bool isShort = IsShort(state, before);
        if (isShort == before) return;
        services.Admission.MemoryShort = services.SetupBudget.Tight = isShort;
        if (isShort) Log.Short(logger, state.Left >> 20, state.Total >> 20);
        else Log.Enough(logger, state.Left >> 20, state.Total >> 20);
    }

    private async Task ReturnAsync()
    {
        long before = Environment.WorkingSet;
        foreach (var reactor in reactors) await reactor.AskAsync(static r => { r.Buffers.Trim(); return true; }).ConfigureAwait(false);
        long start = Stopwatch.GetTimestamp();
        // What a burst left is large and old: only a collection of everything that also gives its regions back returns it.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        double paused = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        SystemMemory.TrimNativeHeaps();
        Returns++;
        Log.Returned(logger, before >> 20, Environment.WorkingSet >> 20, paused, Stopwatch.GetElapsedTime(start).TotalMilliseconds - paused);
    }

    private static partial class Log
    {
        [LoggerMessage(1811, LogLevel.Warning, "only {Left} of {Total} MiB of memory are left: new clients are refused")]
        public static partial void Short(ILogger logger, long left, long total);

        [LoggerMessage(1812, LogLevel.Information, "{Left} of {Total} MiB of memory are left: new clients are accepted again")]
        public static partial void Enough(ILogger logger, long left, long total);

        [LoggerMessage(1814, LogLevel.Error, "the memory check failed; it keeps running")]
        public static partial void LookFailed(ILogger logger, Exception e);

        [LoggerMessage(1813, LogLevel.Information, "memory was returned to the system: {Before} MiB were resident, {After} are; collecting took {Paused:0} ms, trimming {Trimmed:0} ms")]
        public static partial void Returned(ILogger logger, long before, long after, double paused, double trimmed);
    }
}
