using System.IO.Compression;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using ActorLb.Configuration;
using ActorLb.Fleet.Inquiries;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Dashboard;

/// <summary>
/// Feeds the dashboard: asks every node for its statistics once a second, adds them up once, and sends all viewers the same
/// bytes. It runs only while there are viewers: otherwise nothing is asked.
/// </summary>
internal sealed partial class StatisticsFeed : IAsyncDisposable
{
    /// <summary>Maximum number of viewers.</summary>
    public const int MostViewers = 16;

    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private const string StatisticsQuestion = "dashboard-statistics", HistoryQuestion = "dashboard-history";

    /// <summary>Largest answer accepted from a peer, unpacked.</summary>
    private const int LargestAnswer = 4 * 1024 * 1024;

    /// <summary>How long a snapshot waits for the nodes; later answers go into the next one.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(400);

    private readonly Node _node;
    private readonly IDisposable[] _answers;
    private readonly StatisticsReader _reader;
    private readonly Func<ClusterMember, ClusterMember> _withConfiguration;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly List<Channel<ReadOnlyMemory<byte>>> _viewers = [];
    private CancellationTokenSource? _running;
    private Task _loop = Task.CompletedTask;
    private Task<ReadOnlyMemory<byte>>? _history;
    private long _historyAt;
    private bool _disposed;

    public StatisticsFeed(
        Node node, StatisticsReader reader, NodeHistory history, Func<ClusterMember, ClusterMember> withConfiguration, TimeProvider time, ILogger logger)
    {
        _node = node;
        _reader = reader;
        _withConfiguration = withConfiguration;
        _time = time;
        _logger = logger;
        _answers =
        [
            node.Inquiry.Answer(StatisticsQuestion, async (_, _) => Pack(await reader.ReadAsync(), AdminJson.Wire.NodeStatistics)),
            node.Inquiry.Answer(HistoryQuestion, (_, _) => Task.FromResult(Pack(history.Read(), AdminJson.Wire.NodeHistoryInfo))),
        ];
    }

    public int Viewers
    {
        get
        {
            lock (_gate) return _viewers.Count;
        }
    }

    /// <summary>How often this node was asked for its statistics, by itself or another node.</summary>
    public long Samples => _reader.Reads;

    /// <summary>Null when there are too many viewers.</summary>
    public Viewer? TryWatch()
    {
        lock (_gate)
        {
            if (_disposed || _viewers.Count == MostViewers) return null;
            // A slow viewer gets the newest snapshot rather than all of them.
            var snapshots = Channel.CreateBounded<ReadOnlyMemory<byte>>(
                new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
            _viewers.Add(snapshots);
            if (_running is null)
            {
                _running = new CancellationTokenSource();
                _loop = RunAsync(_loop, _running.Token);
            }
            return new Viewer(this, snapshots);
        }
    }

    /// <summary>The last 15 minutes as an event of the stream. Viewers that start at the same time share one.</summary>
    public Task<ReadOnlyMemory<byte>> HistoryAsync()
    {
        lock (_gate)
        {
            if (_history is null || _history.IsFaulted || _time.GetElapsedTime(_historyAt) > NodeHistory.Step)
            {
                _historyAt = _time.GetTimestamp();
                _history = AskHistoryAsync();
            }
            return _history;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task loop;
        lock (_gate)
        {
            _disposed = true;
            _running?.Cancel();
            loop = _loop;
        }
        // The node may continue, and answer with another feed.
        foreach (var answer in _answers) answer.Dispose();
        await loop;
    }

    private void Leave(Channel<ReadOnlyMemory<byte>> viewer)
    {
        lock (_gate)
        {
            if (!_viewers.Remove(viewer) || _viewers.Count > 0) return;
            _running?.Cancel();
            _running = null;
            _history = null;
        }
    }

    /// <param name="before">The loop for earlier viewers, which has ended or is about to.</param>
    private async Task RunAsync(Task before, CancellationToken cancel)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        var nodes = new Dictionary<string, NodeWatch>(StringComparer.Ordinal);
        using var timer = new PeriodicTimer(Period, _time);
        try
        {
            do
            {
                try
                {
                    Publish(await TakeAsync(nodes, cancel));
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    Log.Failed(_logger, e);
                }
            }
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The last viewer has left.
        }
    }

    private void Publish(FleetStatistics statistics)
    {
        var snapshot = ToEvent("snapshot", statistics, AdminJson.Wire.FleetStatistics);
        lock (_gate)
        {
            foreach (var viewer in _viewers) viewer.Writer.TryWrite(snapshot);
        }
    }

    private async Task<FleetStatistics> TakeAsync(Dictionary<string, NodeWatch> nodes, CancellationToken cancel)
    {
        var known = await _node.Fleet.MembersAsync(cancel);
        var status = await _node.Fleet.StatusAsync(cancel);
        ClusterMember[] members = [.. known.Members.Select(_withConfiguration)];
        foreach (string gone in nodes.Keys.Except(members.Select(m => m.Name)).ToArray()) nodes.Remove(gone);
        var asked = new List<Task>();
        foreach (var member in members)
        {
            if (!nodes.TryGetValue(member.Name, out var watch)) nodes.Add(member.Name, watch = new NodeWatch(_time));
            if (watch.Asked.IsCompleted) watch.Asked = AskAsync(member.Name, watch, cancel);
            asked.Add(watch.Asked);
        }
        // A hanging node must not keep viewers from seeing the others.
        await Task.WhenAny(Task.WhenAll(asked), Task.Delay(Patience, _time, cancel));
        cancel.ThrowIfCancellationRequested();
        NodeSample[] samples = [.. members.Select(m => nodes[m.Name].Sample(m)).OrderBy(s => s.Member.Name, StringComparer.Ordinal)];
        bool alone = _node.Member is null;
        return new FleetStatistics(
            _time.GetUtcNow(), status.Node, known.Cluster, alone, status.Reason, [.. samples.Select(FleetSum.NodeOf)], FleetSum.Pools(samples),
            alone ? [] : MissingSeeds(members), FleetSum.Events(samples), FleetSum.Certificates(samples));
    }

    private async Task AskAsync(string name, NodeWatch watch, CancellationToken cancel)
    {
        try
        {
            var answer = (await _node.Inquiry.AskAsync(StatisticsQuestion, default, name, cancel))[0];
            watch.Set(answer.Problem is null ? Unpack(answer.Body, AdminJson.Wire.NodeStatistics) : null, answer.Problem);
        }
        catch (OperationCanceledException)
        {
            // There are no viewers any more.
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            watch.Set(null, "this node cannot read its answer (different release?)");
        }
    }

    private async Task<ReadOnlyMemory<byte>> AskHistoryAsync()
    {
        var answers = await _node.Inquiry.AskAsync(HistoryQuestion, default, null, CancellationToken.None);
        var nodes = new List<NodeHistoryInfo>();
        foreach (var answer in answers.Where(a => a.Problem is null))
        {
            try
            {
                if (Unpack(answer.Body, AdminJson.Wire.NodeHistoryInfo) is { } history) nodes.Add(history);
            }
            catch (Exception e) when (e is JsonException or InvalidDataException)
            {
                // A different release: its chart starts now.
            }
        }
        return ToEvent(
            "history", new FleetHistory(NodeHistory.Step.TotalSeconds, [.. nodes.Select(n => n with { Backends = [] })], FleetSum.Backends(nodes)),
            AdminJson.Wire.FleetHistory);
    }

    /// <summary>Host names are left out because they may resolve to any address.</summary>
    private string[] MissingSeeds(ClusterMember[] members) =>
    [
        .. _node.Options.Cluster.Seeds.Where(s => IPAddress.TryParse(s.Host, out _)).Select(s => AddressText.Format(s)).Except(members.Select(m => m.Address ?? "")),
    ];

    private static ReadOnlyMemory<byte> ToEvent<T>(string name, T value, JsonTypeInfo<T> type)
    {
        using var text = new MemoryStream();
        text.Write(System.Text.Encoding.ASCII.GetBytes($"event: {name}\ndata: "));
        // The data has no line breaks: the writer does not indent, and escapes those in texts.
        using (var writer = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = type.Options.Encoder })) JsonSerializer.Serialize(writer, value, type);
        text.Write("\n\n"u8);
        return text.ToArray();
    }

    /// <summary>Compressed, since a frame of the fleet is limited to 256 KiB.</summary>
    private static byte[] Pack<T>(T value, JsonTypeInfo<T> type)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) JsonSerializer.Serialize(gzip, value, type);
        return packed.ToArray();
    }

    private static T? Unpack<T>(byte[] body, JsonTypeInfo<T> type)
    {
        using var gzip = new GZipStream(new MemoryStream(body), CompressionMode.Decompress);
        using var text = new MemoryStream();
        Span<byte> piece = stackalloc byte[4096];
        for (int length; (length = gzip.Read(piece)) > 0;)
        {
            if (text.Length + length > LargestAnswer) throw new InvalidDataException("the answer is too large");
            text.Write(piece[..length]);
        }
        return JsonSerializer.Deserialize(text.GetBuffer().AsSpan(0, (int)text.Length), type);
    }

    public sealed class Viewer(StatisticsFeed feed, Channel<ReadOnlyMemory<byte>> snapshots) : IDisposable
    {
        public ChannelReader<ReadOnlyMemory<byte>> Snapshots => snapshots.Reader;

        public void Dispose() => feed.Leave(snapshots);
    }

    private static partial class Log
    {
        [LoggerMessage(3081, LogLevel.Error, "the fleet's statistics for the dashboard could not be collected; retrying in a second")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}
