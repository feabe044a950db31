using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Cluster.Transport;
using ActorLb.Configuration;

namespace ActorLb.Cluster.Etcd;

/// <summary>The HTTP side of the etcd client: connections, certificates, and a request body that is sent at most once.</summary>
internal static class EtcdHttp
{
    /// <summary>Largest answer read: etcd takes requests of 1.5 MiB, so a prefix of some dozens of the largest values.</summary>
    public const int MaxAnswer = 64 << 20;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    public static HttpClient Create(EtcdOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = ConnectTimeout,
            // So that a changed DNS answer is followed; open watches are not cut by it.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ActivityHeadersPropagator = null,
        };
        if (options.Tls is { } tls)
        {
            handler.SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = ServiceCertificates.TrustOf(tls),
                ClientCertificateContext = ServiceCertificates.OwnOf(tls) is { } own
                    ? SslStreamCertificateContext.Create(own, ServiceCertificates.IntermediatesOf(tls))
                    : null,
            };
        }

        // Each call has a time-out of its own.
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = MaxAnswer };
    }

    public static HttpRequestMessage Request(Uri endpoint, string path, Body body, string? token, bool requireLeader)
    {
        // Clear-text HTTP/2 goes to the gRPC server, which resets what is not gRPC.
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, path))
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = body,
        };
        if (token is not null)
        {
            // etcd wants the bare token, without a scheme.
            request.Headers.TryAddWithoutValidation("Authorization", token);
        }

        if (requireLeader)
        {
            request.Headers.TryAddWithoutValidation("Grpc-Metadata-hasleader", "true");
        }

        return request;
    }

    /// <summary>
    /// A request body that refuses to be sent twice. The handler silently repeats a request whose pooled connection was closed
    /// before an answer; for a write that may have been carried out this must surface as an unknown outcome instead. And a body
    /// that was never started tells for sure that the member did not get the call.
    /// </summary>
    public sealed class Body : HttpContent
    {
        private readonly ReadOnlyMemory<byte> _json;
        private readonly bool _repeatable;

        public Body(ReadOnlyMemory<byte> json, bool repeatable)
        {
            _json = json;
            _repeatable = repeatable;
            Headers.ContentType = Json;
        }

        public bool Started { get; private set; }

        // This overload, too: the base class's buffers the whole content where the one with a token is not overridden.
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            if (Started && !_repeatable)
            {
                throw new HttpRequestException("the connection was closed after the request was sent");
            }

            Started = true;
            return stream.WriteAsync(_json, cancellationToken).AsTask();
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override bool TryComputeLength(out long length)
        {
            length = _json.Length;
            return true;
        }
    }
}
