using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Effective;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Text;
using ActorLb.Server.Admin.Api;
using ActorLb.Telemetry;

namespace ActorLb.Server.Dashboard;

/// <summary>Reads this node's statistics for the node that serves a dashboard: once a second while there are viewers, otherwise
/// never.</summary>
/// <param name="certificates">Reads them from files.</param>
internal sealed class StatisticsReader(Node node, Func<CertificateList> certificates, NodeHistory history, TimeProvider time)
{
    private const int MostEvents = 40;

    /// <summary>Longest event text; a rejected configuration's full text is in the log.</summary>
    private const int LongestEvent = 400;

    /// <summary>Certificates are partly read from files, so they are read rarely, and when the configuration changes.</summary>
    private static readonly TimeSpan CertificatesEvery = TimeSpan.FromMinutes(1);

    private readonly long _start = time.GetTimestamp();
    private readonly Lock _gate = new();
    private Task<CertificateList>? _certificates;
    private long _certificatesAt;
    private ConfigurationFingerprint? _certificatesOf;
    private long _read;

    /// <summary>How often the node was asked.</summary>
    public long Reads => Interlocked.Read(ref _read);

    public async Task<NodeStatistics> ReadAsync()
    {
        Interlocked.Increment(ref _read);
        var counters = history.Counters;
        var dated = await CertificatesAsync();
        return new NodeStatistics(
            node.Options.Node.Name, Program.Version, node.IsDraining ? "draining" : node.IsReady ? "ready" : "starting", node.StartedAt,
            time.GetElapsedTime(_start).TotalSeconds, node.Admission.Active, node.Capacity, counters.Connects, counters.Received, counters.Sent,
            counters.CpuSeconds, Environment.ProcessorCount, Environment.WorkingSet,
            [.. node.Listeners.OrderBy(l => l.Name, StringComparer.Ordinal).Select(l => NodeApi.Describe(node, l))], Pools(),
            [.. node.Events.Newest(MostEvents).Select(e => e with { Text = SafeText.Shortened(e.Text, LongestEvent) })],
            [.. dated.Certificates.Where(c => c.State != "good")], dated.Problems);
    }

    private PoolStatistics[] Pools()
    {
        var recent = history.Recent();
        return
        [
            .. node.Pools.OrderBy(p => p.Name, StringComparer.Ordinal).Select(pool => new PoolStatistics(
                pool.Name, PoolApi.Summarize(pool).Balance,
                [.. pool.Pool.Snapshot.Backends.ToArray().Select(b => Describe(b, recent.GetValueOrDefault(b)) with { Drain = ClosingRecords.OfDrain(node, pool.Pool, b), Added = b.Options.Added })])
            {
                Rebalance = ClosingRecords.OfRebalance(node, pool.Pool),
            }),
        ];
    }

    private static BackendStatistics Describe(Backend backend, RecentTraffic recent)
    {
        var kept = backend.History;
        return new BackendStatistics(
            backend.Id, BackendWords.Of(backend.AdminState), [.. BackendWords.Of(backend.Blocks)], backend.Weight, backend.Backup, backend.Active,
            backend.Options.MaxConnections, kept.Since, backend.Connects, recent.Failures, recent.Answers, recent.AnswerSeconds,
            kept.LastError is { } error ? new BackendErrorInfo(error.At, SafeText.Shortened(error.Text, LongestEvent)) : null,
            backend.DrainLeft?.TotalSeconds, recent.DrainedFrom, backend.IsChangeLocal);
    }

    private Task<CertificateList> CertificatesAsync()
    {
        lock (_gate)
        {
            if (_certificates is null || _certificates.IsFaulted || _certificatesOf != node.Fingerprint || time.GetElapsedTime(_certificatesAt) > CertificatesEvery)
            {
                _certificatesOf = node.Fingerprint;
                _certificatesAt = time.GetTimestamp();
                _certificates = FileReading.RunAsync(certificates);
            }
            return _certificates;
        }
    }
}
