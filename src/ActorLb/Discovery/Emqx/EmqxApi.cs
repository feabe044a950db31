using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Health;
using ActorLb.Protocol.Failures;
using ActorLb.Protocol.Text;

namespace ActorLb.Discovery.Emqx;

/// <summary>
/// The REST API of one node of EMQX 5, for a few requests: limited in time and size, without redirects or a proxy, which could leak the
/// key. All failures are an <see cref="IOException"/> that names the URL.
/// </summary>
internal sealed class EmqxApi : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>A page of clients is the largest answer, if EMQX is too old to omit the fields that are not requested.</summary>
    private const int LargestAnswer = 16 << 20;

    private readonly HttpClient _http;
    private readonly string _base;
    private readonly TimeSpan _patience;

    /// <exception cref="IOException">The key or the authorities cannot be used.</exception>
    public EmqxApi(EmqxDiscoveryOptions options, Uri api, NameResolution names, TimeSpan patience)
    {
        _base = api.OriginalString.TrimEnd('/') + "/api/v5/";
        _patience = patience;
        var key = EmqxKey.Read(options.KeyFile);
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            PreAuthenticate = false,
            ConnectCallback = (context, cancel) => DialAsync(names, context.DnsEndPoint, cancel),
        };
        try
        {
            handler.SslOptions = new UpstreamTls(new UpstreamTlsOptions(options.Ca, ServerName: null, options.Verify, null, null), api.IdnHost).Options;
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
        {
            handler.Dispose();
            throw new IOException($"ca {options.Ca}: {FailureText.Describe(e)}", e);
        }

        _http = new HttpClient(handler) { Timeout = patience, MaxResponseContentBufferSize = LargestAnswer };
        _http.DefaultRequestHeaders.Authorization = key;
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("actorlb");
    }

    public async Task<EmqxNode[]> NodesAsync(CancellationToken cancel) =>
        await GetAsync("nodes", EmqxJson.Default.EmqxNodeArray, cancel).ConfigureAwait(false)
            ?? throw new IOException($"{_base}nodes: not found (HTTP status 404): it is not the API of EMQX 5");

    /// <returns>Null if EMQX has no evacuation: before 5.9 the open-source edition had none.</returns>
    public Task<EmqxStatus?> StatusAsync(CancellationToken cancel) => GetAsync("load_rebalance/global_status", EmqxJson.Default.EmqxStatus, cancel);

    /// <param name="page">From 1.</param>
    /// <param name="limit">At most 10,000, EMQX's own limit.</param>
    public async Task<EmqxClientPage> ClientsAsync(int page, int limit, CancellationToken cancel) =>
        await GetAsync(string.Create(CultureInfo.InvariantCulture, $"clients?page={page}&limit={limit}&fields=clientid,node"), EmqxJson.Default.EmqxClientPage, cancel)
            .ConfigureAwait(false) ?? throw new IOException($"{_base}clients: not found (HTTP status 404): it is not the API of EMQX 5");

    public void Dispose() => _http.Dispose();

    /// <returns>Null for 404.</returns>
    private async Task<T?> GetAsync<T>(string what, JsonTypeInfo<T> type, CancellationToken cancel) where T : class
    {
        string url = _base + what.Split('?')[0];
        try
        {
            using var answer = await _http.GetAsync(new Uri(_base + what), cancel).ConfigureAwait(false);
            switch (answer.StatusCode)
            {
                case HttpStatusCode.OK:
                    byte[] body = await answer.Content.ReadAsByteArrayAsync(cancel).ConfigureAwait(false);
                    return Parse(body, type) ?? throw new JsonException();
                case HttpStatusCode.NotFound:
                    return null;
                case HttpStatusCode.Unauthorized:
                    throw new IOException($"{url}: the API key is wrong or has expired (HTTP status 401)");
                case HttpStatusCode.Forbidden:
                    throw new IOException($"{url}: the API key is not allowed to read this (HTTP status 403)");
                default:
                    throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{url}: HTTP status {(int)answer.StatusCode}"));
            }
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{url}: no answer within {_patience.TotalSeconds:0.###} s"), e);
        }
        catch (HttpRequestException e)
        {
            throw new IOException($"{url}: {FailureText.Describe(e)}", e);
        }
        catch (JsonException e)
        {
            string where = e.Path is { } path ? $", at {SafeText.Shortened(SafeText.Of(path), 64)}" : "";
            throw new IOException($"{url}: not EMQX 5's JSON{where}", e);
        }
    }

    private static T? Parse<T>(byte[] body, JsonTypeInfo<T> type) where T : class => JsonSerializer.Deserialize(body, type);

    private static async ValueTask<Stream> DialAsync(NameResolution names, DnsEndPoint to, CancellationToken cancel)
    {
        var found = NameResolution.Preferred(await names.Host(to.Host, cancel).ConfigureAwait(false));
        for (int i = 0; ; i++)
        {
            try
            {
                if (i >= found.Length) throw new SocketException((int)SocketError.HostNotFound);
                var socket = await ProbeStream.ConnectAsync(new IPEndPoint(found[i], to.Port), cancel).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (IOException) when (i + 1 < found.Length)
            {
                // Its next address may work.
            }
        }
    }
}
