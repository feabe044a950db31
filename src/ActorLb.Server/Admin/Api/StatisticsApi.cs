using ActorLb.Server.Dashboard;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The fleet's live statistics as server-sent events (HTML Living Standard, 9.2), for the dashboard and other viewers.</summary>
/// <param name="stopping">Ends the streams when the endpoint stops.</param>
internal sealed class StatisticsApi(StatisticsFeed feed, TimeProvider time, CancellationToken stopping)
{
    public const string StreamPath = "cluster/statistics";

    /// <summary>Per event: a viewer that reads none of it within this time is gone, or hangs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan HistoryPatience = TimeSpan.FromMilliseconds(500);

    public void Map(ApiRoutes routes) => routes.Stream(StreamPath, StreamAsync);

    /// <summary>An event <c>snapshot</c> every second, and once, after one of the first, the event <c>history</c>.</summary>
    private async Task StreamAsync(HttpContext context)
    {
        using var viewer = feed.TryWatch();
        if (viewer is null)
        {
            await ApiResult.Refused($"{StatisticsFeed.MostViewers} clients are already watching").WriteAsync(context);
            return;
        }
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        // Makes a proxy in front of the endpoint pass on each event at once.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            var history = feed.HistoryAsync();
            await foreach (var snapshot in viewer.Snapshots.ReadAllAsync(ended.Token))
            {
                await WriteAsync(context, snapshot, ended.Token);
                if (history is null) continue;
                // A hanging node delays the history for seconds; snapshots continue.
                await Task.WhenAny(history, Task.Delay(HistoryPatience, time, ended.Token));
                if (history.IsCompletedSuccessfully) await WriteAsync(context, await history, ended.Token);
                if (history.IsCompleted) history = null;
            }
        }
        catch (OperationCanceledException)
        {
            // The viewer has disconnected, or the endpoint is stopping.
            if (!context.RequestAborted.IsCancellationRequested && !stopping.IsCancellationRequested) context.Abort();
        }
    }

    private async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> message, CancellationToken ended)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ended);
        await context.Response.Body.WriteAsync(message, either.Token);
        await context.Response.Body.FlushAsync(either.Token);
    }
}
