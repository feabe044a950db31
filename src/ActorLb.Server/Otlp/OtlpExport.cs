using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Server.Admin;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Otlp;

/// <summary>
/// Sends the node's metrics at intervals, and spans as they arise, to a collector. When the collector is unavailable, that is logged
/// once, what it misses is lost and counted, and nothing waits for it: metrics are read again each time, and spans wait in a bounded queue.
/// </summary>
internal sealed partial class OtlpExport : IAsyncDisposable
{
    /// <summary>Maximum number of spans per message.</summary>
    private const int MostSpans = 512;

    /// <summary>How long spans are collected into one message.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromSeconds(1);

    /// <summary>For the last export when the node ends.</summary>
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);

    private readonly OtlpOptions _options;
    private readonly OtlpSender _sender;
    private readonly OtlpResource _resource;
    private readonly Node _node;
    private readonly Action<MetricsWriter> _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;

    private readonly OtlpCounters _counters;

    // By signal; each is sent by one loop only.
    private readonly bool[] _isFailing = new bool[2];

    private OtlpExport(OtlpOptions options, Node node, Action<MetricsWriter> metrics, OtlpCounters counters, TimeProvider time, ILogger logger)
    {
        _options = options;
        _counters = counters;
        _sender = new OtlpSender(options);
        _resource = new OtlpResource(node.Options.Cluster.Name, node.Options.Node.Name, Program.Version);
        _node = node;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _running = Task.WhenAll(Task.Run(ExportMetricsAsync), Task.Run(ExportSpansAsync));
    }

    /// <param name="metrics">Writes all of them.</param>
    /// <exception cref="IOException">The file of headers cannot be used.</exception>
    public static OtlpExport Start(OtlpOptions options, Node node, Action<MetricsWriter> metrics, OtlpCounters counters, TimeProvider time, ILogger logger) =>
        new(options, node, metrics, counters, time, logger);

    /// <summary>Sends what is left, if that is possible within a moment.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        using var patience = new CancellationTokenSource(EndPatience);
        await SendSpansAsync(patience.Token).ConfigureAwait(false);
        await SendMetricsAsync(patience.Token).ConfigureAwait(false);
        _sender.Dispose();
        _stopping.Dispose();
    }

    private async Task ExportMetricsAsync()
    {
        using var timer = new PeriodicTimer(_options.Interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false)) await SendMetricsAsync(_stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The export is stopping.
        }
    }

    private async Task ExportSpansAsync()
    {
        if (_node.Traces is not { } traces) return;
        try
        {
            while (await traces.Finished.WaitToReadAsync(_stopping.Token).ConfigureAwait(false))
            {
                await Task.Delay(Gathering, _time, _stopping.Token).ConfigureAwait(false);
                await SendSpansAsync(_stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The export is stopping.
        }
    }

    private async Task SendMetricsAsync(CancellationToken cancel)
    {
        var messages = new List<byte[]>();
        try
        {
            var writer = new OtlpMetricsWriter(_resource, _node.StartedAt, _time.GetUtcNow(), message => messages.Add(message.ToArray()));
            _metrics(writer);
            writer.Complete();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The root of a loop: the next round may succeed.
            Failed(OtlpSignal.Metrics, e.Message);
            return;
        }
        foreach (byte[] message in messages)
        {
            if (!await SendAsync(OtlpSignal.Metrics, message, cancel).ConfigureAwait(false)) return;
        }
    }

    private async Task SendSpansAsync(CancellationToken cancel)
    {
        if (_node.Traces is not { } traces) return;
        // Later ones are left to the next message.
        for (int left = SetupTraces.MostWaiting; left > 0 && !cancel.IsCancellationRequested; left -= MostSpans)
        {
            var batch = new List<SetupTrace>();
            while (batch.Count < MostSpans && traces.Finished.TryRead(out var trace)) batch.Add(trace);
            if (batch.Count == 0) return;
            var w = new ProtobufWriter();
            OtlpSpans.Write(w, _resource, batch);
            if (!await SendAsync(OtlpSignal.Traces, w.Written, cancel).ConfigureAwait(false)) traces.Lose(batch.Count);
        }
    }

    private async Task<bool> SendAsync(OtlpSignal signal, ReadOnlyMemory<byte> message, CancellationToken cancel)
    {
        string? problem;
        try
        {
            problem = await _sender.SendAsync(signal, message, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        if (problem is null) Succeeded(signal);
        else Failed(signal, problem);
        return problem is null;
    }

    private void Succeeded(OtlpSignal signal)
    {
        _counters.Count(signal, taken: true);
        if (!_isFailing[(int)signal]) return;
        _isFailing[(int)signal] = false;
        Log.Healed(_logger, _options.Endpoint!, Word(signal), _node.Traces?.Lost ?? 0);
    }

    private void Failed(OtlpSignal signal, string problem)
    {
        _counters.Count(signal, taken: false);
        if (_isFailing[(int)signal]) return;
        _isFailing[(int)signal] = true;
        Log.Failing(_logger, _options.Endpoint!, Word(signal), problem);
    }

    private static string Word(OtlpSignal signal) => signal == OtlpSignal.Metrics ? "metrics" : "spans";

    private static partial class Log
    {
        [LoggerMessage(3041, LogLevel.Warning, "the collector {Endpoint} does not accept {Signal}: {Reason}; retrying, and what it does not get is lost")]
        public static partial void Failing(ILogger logger, Uri endpoint, string signal, string reason);

        [LoggerMessage(3042, LogLevel.Information, "the collector {Endpoint} accepts {Signal} again; {Lost} spans were lost since the start")]
        public static partial void Healed(ILogger logger, Uri endpoint, string signal, long lost);
    }
}
