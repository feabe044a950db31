using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Failures;

namespace ActorLb.Cli;

/// <summary>The node answered with a refusal.</summary>
internal sealed class RefusedException(string message, byte[] json) : Exception(message)
{
    /// <summary>The API's error response.</summary>
    public byte[] Json { get; } = json;
}

/// <summary>Nothing answered at the address, or not as a node would.</summary>
internal sealed class UnreachableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The node's address and how to connect to it.</summary>
/// <param name="Token">Null to send none.</param>
/// <param name="Ca">PEM file of the authorities to trust; null for the system's.</param>
/// <param name="Insecure">Accept any certificate.</param>
/// <param name="Certificate">PEM file of the client certificate; null for none.</param>
internal sealed record AdminTarget(Uri Address, string? Token, string? Ca, bool Insecure, string? Certificate, string? Key);

/// <param name="Json">As the API sent it.</param>
/// <param name="At">By the node's clock, to the second: the node's times are compared with it, not with this machine's clock.</param>
internal readonly record struct Answer<T>(T Value, byte[] Json, DateTimeOffset At)
{
    /// <summary>Such as "2m 5s ago".</summary>
    public string Ago(DateTimeOffset then) => $"{For(then)} ago";

    public string For(DateTimeOffset since) => Printable.Time(Math.Floor((At - since).TotalSeconds));
}

/// <summary>Client of one node's admin API.</summary>
internal sealed class AdminClient : IDisposable
{
    /// <summary>Longer than any answer takes: changes to the fleet wait for its store, which may take up to seven seconds.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http;
    private readonly bool _showsCertificate;

    /// <exception cref="UsageException">A PEM file cannot be used.</exception>
    public AdminClient(AdminTarget target)
    {
        Address = target.Address;
        _showsCertificate = target.Certificate is not null;
        var handler = new SocketsHttpHandler { ConnectTimeout = ConnectPatience, UseProxy = false, AllowAutoRedirect = false, UseCookies = false };
        handler.SslOptions = Trust(target);
        _http = new HttpClient(handler) { BaseAddress = new Uri(target.Address, "/api/v1/"), Timeout = Timeout.InfiniteTimeSpan };
        if (target.Token is { } token) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public Uri Address { get; }

    /// <summary>Set for --watch: requests that change something, and streams, are refused because they would be repeated every
    /// second.</summary>
    public bool OnlyAsks { get; set; }

    public Task<Answer<T>> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancel) =>
        SendAsync(HttpMethod.Get, path, null, type, cancel);

    public Task<Answer<T>> DeleteAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancel) =>
        SendAsync(HttpMethod.Delete, path, null, type, cancel);

    public Task<Answer<T>> PostAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, path, null, type, cancel);

    public Task<Answer<TAnswer>> PostAsync<TBody, TAnswer>(
        string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, path, Json(body, bodyType), type, cancel);

    public Task<Answer<TAnswer>> PutAsync<TBody, TAnswer>(
        string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type, CancellationToken cancel) =>
        SendAsync(HttpMethod.Put, path, Json(body, bodyType), type, cancel);

    public Task<Answer<T>> PostTextAsync<T>(string path, string text, JsonTypeInfo<T> type, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, path, new StringContent(text, Encoding.UTF8, "text/plain"), type, cancel);

    /// <summary>Passes on the lines of a response as they arrive, until the node ends it or the caller cancels.</summary>
    public async Task StreamAsync(string path, Action<string> line, CancellationToken cancel)
    {
        if (OnlyAsks) throw new UsageException("--watch cannot be used here: this command already keeps running");
        await AskAsync(async stop =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop);
            if (!response.IsSuccessStatusCode) throw Refusal(response, await response.Content.ReadAsByteArrayAsync(stop));
            await using var stream = await response.Content.ReadAsStreamAsync(stop);
            using var reader = new StreamReader(stream);
            while (await reader.ReadLineAsync(stop) is { } text)
            {
                if (text.Length > 0) line(text);
            }
            return true;
        }, cancel);
    }

    public void Dispose() => _http.Dispose();

    private static ByteArrayContent Json<T>(T body, JsonTypeInfo<T> type)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    private async Task<Answer<T>> SendAsync<T>(
        HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> type, CancellationToken cancel)
    {
        if (OnlyAsks && method != HttpMethod.Get) throw new UsageException("--watch is only for commands that show something; this one would make its change every second");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(Patience);
        try
        {
            return await AskAsync(async stop =>
            {
                using var request = new HttpRequestMessage(method, path) { Content = body };
                using var response = await _http.SendAsync(request, stop);
                byte[] json = await response.Content.ReadAsByteArrayAsync(stop);
                if (!response.IsSuccessStatusCode) throw Refusal(response, json);
                return JsonSerializer.Deserialize(json, type) is { } value ? new Answer<T>(value, json, response.Headers.Date ?? DateTimeOffset.UtcNow) : throw new JsonException();
            }, deadline.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new UnreachableException($"{Address} did not answer within {Patience.TotalSeconds} s");
        }
    }

    private async Task<T> AskAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancel)
    {
        try
        {
            return await ask(cancel);
        }
        catch (HttpRequestException e)
        {
            throw new UnreachableException($"{Address}: {FailureText.Describe(e)}{Advice(e)}", e);
        }
        catch (IOException e)
        {
            throw new UnreachableException($"{Address}: the connection was lost: {FailureText.Describe(e)}", e);
        }
        catch (JsonException e)
        {
            throw new UnreachableException($"{Address} does not answer like a node of ActorLb", e);
        }
    }

    private Exception Refusal(HttpResponseMessage response, byte[] json)
    {
        AdminError? error = null;
        try
        {
            error = JsonSerializer.Deserialize(json, AdminJson.Wire.AdminError);
        }
        catch (JsonException)
        {
            // An error page that is not a node's.
        }
        return error?.Detail is { } detail
            ? new RefusedException(detail, json)
            : new UnreachableException($"{Address} does not answer like a node of ActorLb (HTTP {(int)response.StatusCode})");
    }

    /// <summary>A hint when something answers with another protocol: it is another port, or the endpoint with or without TLS.</summary>
    private string Advice(HttpRequestException e)
    {
        const string Port = "the admin endpoint's port is set by admin.bind (8888 by default)";
        bool secure = Address.Scheme == "https";
        if (secure && FailureText.Describe(e) == TlsFailure.NoTls) return $"; {Port}, and it uses TLS only with admin.tls: try http://{Address.Authority}";
        bool other = e.HttpRequestError is HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse or HttpRequestError.HttpProtocolError
            || e.InnerException is IOException;
        if (!other) return "";
        if (!secure) return $"; {Port}, and with admin.tls it is https://{Address.Authority}";
        // With TLS 1.3 the client counts as connected before the node has asked for a certificate and got none.
        return _showsCertificate ? "" : "; where admin.tls has a ca it wants a client certificate: --cert and --key";
    }

    private static SslClientAuthenticationOptions Trust(AdminTarget target)
    {
        var ssl = new SslClientAuthenticationOptions();
        if (target.Certificate is { } certificate)
        {
            ssl.ClientCertificates = [PemFiles.Certificate(certificate, target.Key)];
        }
        if (target.Insecure)
        {
            ssl.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
        }
        else if (target.Ca is { } ca)
        {
            var authorities = PemFiles.Authorities(ca);
            ssl.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            ssl.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }
        return ssl;
    }
}
