using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using ActorLb.Configuration;
using ActorLb.Protocol.Failures;

namespace ActorLb.Server.Otlp;

/// <summary>What is exported: the path over HTTP, the method over gRPC.</summary>
internal enum OtlpSignal { Metrics, Traces }

/// <summary>Sends messages to a collector, one per request. Never throws for failures of the network or the collector.</summary>
internal sealed class OtlpSender : IDisposable
{
    /// <summary>The default of OpenTelemetry's exporters.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Limit of a response, of which only the status is used.</summary>
    private const int LargestAnswer = 64 * 1024;

    // Length-Prefixed-Message of gRPC: not compressed, length in four bytes.
    private const int GrpcPrefix = 5;

    private readonly HttpClient _http;
    private readonly OtlpOptions _options;
    private readonly (string Name, string Value)[] _headers;

    /// <exception cref="IOException">The file of headers cannot be used.</exception>
    public OtlpSender(OtlpOptions options)
    {
        _options = options;
        _headers = OtlpHeaders.Read(options.HeadersFile);
        _http = new HttpClient(new SocketsHttpHandler { ConnectTimeout = Patience, PooledConnectionLifetime = TimeSpan.FromMinutes(5), UseCookies = false, AllowAutoRedirect = false })
        {
            Timeout = Patience,
            MaxResponseContentBufferSize = LargestAnswer,
        };
    }

    /// <returns>Null when the collector has accepted it; otherwise the reason, for people.</returns>
    public async Task<string?> SendAsync(OtlpSignal signal, ReadOnlyMemory<byte> message, CancellationToken cancel)
    {
        try
        {
            using var request = Request(signal, message);
            using var answer = await _http.SendAsync(request, cancel).ConfigureAwait(false);
            if (answer.StatusCode != HttpStatusCode.OK) return string.Create(CultureInfo.InvariantCulture, $"HTTP status {(int)answer.StatusCode}");
            return _options.Protocol == OtlpProtocol.Grpc ? GrpcProblem(answer) : null;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return $"no answer within {Patience.TotalSeconds} s";
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return FailureText.Describe(e);
        }
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Request(OtlpSignal signal, ReadOnlyMemory<byte> message)
    {
        bool grpc = _options.Protocol == OtlpProtocol.Grpc;
        string path = (signal, grpc) switch
        {
            (OtlpSignal.Metrics, false) => "/v1/metrics",
            (OtlpSignal.Traces, false) => "/v1/traces",
            (OtlpSignal.Metrics, true) => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            _ => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        };
        var request = new HttpRequestMessage(HttpMethod.Post, _options.Endpoint!.ToString().TrimEnd('/') + path);
        if (grpc)
        {
            byte[] framed = new byte[GrpcPrefix + message.Length];
            BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
            message.CopyTo(framed.AsMemory(GrpcPrefix));
            request.Content = new ByteArrayContent(framed);
            // Without TLS there is no negotiation of HTTP/2: gRPC uses it from the first byte.
            request.Version = HttpVersion.Version20;
            request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
            request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        }
        else
        {
            request.Content = new ReadOnlyMemoryContent(message);
        }
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(grpc ? "application/grpc" : "application/x-protobuf");
        foreach ((string name, string value) in _headers) request.Headers.TryAddWithoutValidation(name, value);
        return request;
    }

    /// <summary>The status follows the response, or is in its head when there is no body (gRPC over HTTP/2, Responses).</summary>
    private static string? GrpcProblem(HttpResponseMessage answer)
    {
        if (!answer.TrailingHeaders.TryGetValues("grpc-status", out var status) && !answer.Headers.TryGetValues("grpc-status", out status)) return "no grpc-status";
        string code = status.First();
        return code == "0" ? null : $"gRPC status {code}";
    }
}
