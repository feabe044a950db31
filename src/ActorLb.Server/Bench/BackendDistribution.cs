using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using ActorLb.Protocol.Failures;

namespace ActorLb.Server.Bench;

/// <summary>
/// How connections spread over the brokers. MQTT has no standard way to tell a client which broker it reached, so this asks the
/// balancer: it reads the change of <c>actorlb_backend_connections</c> from its admin endpoint's /metrics.
/// </summary>
internal sealed class BackendDistribution : IDisposable
{
    private const string Metric = "actorlb_backend_connections{";
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly Uri _metrics;
    private Dictionary<string, long> _before = [];

    /// <param name="token">Bearer token of the endpoint, or null.</param>
    public BackendDistribution(Uri admin, string? token)
    {
        _metrics = new Uri(admin, "/metrics");
        if (token is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Records the values before the bench's own connections.</summary>
    public async Task BeginAsync(CancellationToken cancel) => _before = await ReadAsync(cancel);

    /// <returns>Connections added since, by <c>pool/backend</c>, including backends with none.</returns>
    public async Task<IReadOnlyList<KeyValuePair<string, long>>> EndAsync(CancellationToken cancel)
    {
        var after = await ReadAsync(cancel);
        return [.. after.Select(pair => KeyValuePair.Create(pair.Key, pair.Value - _before.GetValueOrDefault(pair.Key)))
            .OrderBy(pair => pair.Key, StringComparer.Ordinal)];
    }

    public void Dispose() => _http.Dispose();

    /// <summary>Values of the metric in Prometheus text (exposition format 0.0.4), by <c>pool/backend</c>.</summary>
    internal static Dictionary<string, long> Parse(string text)
    {
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(Metric, StringComparison.Ordinal)) continue;
            int close = line.LastIndexOf('}');
            if (close < 0) continue;
            var labels = line[Metric.Length..close];
            var value = line[(close + 1)..].Trim();
            int space = value.IndexOf(' '); // a time stamp may follow
            if (space >= 0) value = value[..space];
            if (!double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)) continue;
            if (Label(labels, "pool") is { } pool && Label(labels, "backend") is { } backend)
                values[pool + "/" + backend] = values.GetValueOrDefault(pool + "/" + backend) + (long)number;
        }
        return values;
    }

    private async Task<Dictionary<string, long>> ReadAsync(CancellationToken cancel)
    {
        try
        {
            return Parse(await _http.GetStringAsync(_metrics, cancel));
        }
        catch (Exception exception) when (exception is HttpRequestException
            || (exception is TaskCanceledException && !cancel.IsCancellationRequested))
        {
            throw new BenchFailure($"{_metrics}: {(exception is HttpRequestException http ? Describe(http) : "no answer in time")}");
        }
    }

    private static string Describe(HttpRequestException exception) => exception.StatusCode == HttpStatusCode.Unauthorized
        ? "it answered with HTTP status 401: --admin-token-file is missing or holds another node's token" : FailureText.Describe(exception);

    /// <summary>Value of <c>name="..."</c>; names and addresses contain nothing that the format escapes.</summary>
    private static string? Label(ReadOnlySpan<char> labels, string name)
    {
        for (var rest = labels; ;)
        {
            int equals = rest.IndexOf("=\"", StringComparison.Ordinal);
            if (equals < 0) return null;
            var key = rest[..equals].Trim([',', ' ']);
            rest = rest[(equals + 2)..];
            int quote = rest.IndexOf('"');
            if (quote < 0) return null;
            if (key.SequenceEqual(name)) return rest[..quote].ToString();
            rest = rest[(quote + 1)..];
        }
    }
}
