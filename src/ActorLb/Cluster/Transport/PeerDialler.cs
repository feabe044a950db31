using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster.Transport;

/// <summary>Opens connections to peers. Every lane has a TCP connection of its own, so each dial has a handler of its own.</summary>
internal sealed class PeerDialler
{
    /// <summary>HTTP/2 pings find a peer that is gone without a word.</summary>
    public static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(1);

    public static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);

    private readonly PeerHandshake _handshake;
    private readonly TimeProvider _time;
    private readonly string _scheme;
    private readonly SslStreamCertificateContext? _own;
    private readonly X509ChainPolicy? _trust;

    public PeerDialler(PeerHandshake handshake, PeerSecurity security, TimeProvider time)
    {
        _handshake = handshake;
        _time = time;
        _scheme = security.Tls is null ? "http" : "https";
        if (security.Tls is { } tls)
        {
            _own = SslStreamCertificateContext.Create(ServiceCertificates.OwnOf(tls)!, ServiceCertificates.IntermediatesOf(tls));
            _trust = ServiceCertificates.TrustOf(tls);
        }
    }

    /// <summary>One connection, from dial to end.</summary>
    /// <param name="carry">Called when the peer is known: has the link run the connection, and tells why it ended.</param>
    /// <returns>Why it ended; <c>Fault</c> is None when it had been up.</returns>
    public async Task<(PeerFault Fault, string Reason)> RunAsync(
        PeerId wanted, string address, PeerLane lane, Func<PeerConnection, Task<string>> carry, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var deadline = new CancellationTokenSource(PeerHandshake.Timeout, _time);
        var overdue = deadline.Token.UnsafeRegister(static e => ((CancellationTokenSource)e!).Cancel(), ended);
        using var invoker = new HttpMessageInvoker(Handler());
        using var content = new DuplexContent();
        try
        {
            using var request = Request(address, content);
            using var response = await invoker.SendAsync(request, ended.Token);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return (PeerFault.Garbage, $"HTTP {(int)response.StatusCode}, not a peer of this program");
            }

            var reader = new FrameReader(await response.Content.ReadAsStreamAsync(ended.Token), PeerHello.MaxSize);
            var output = await content.Output.WaitAsync(ended.Token);
            var (peer, fault, reason) = await _handshake.DialAsync(reader, output, wanted, lane, ended.Token);
            if (peer is null)
            {
                return (fault, reason);
            }

            await overdue.DisposeAsync();
            return (PeerFault.None, await carry(new PeerConnection(output, reader, lane, dialled: true)));
        }
        catch (Exception e)
        {
            // The connection's root; the address is another node's word, so it may be no address at all.
            return deadline.IsCancellationRequested && e is OperationCanceledException
                ? (PeerFault.Timeout, $"no answer within {PeerHandshake.Timeout.TotalSeconds:0} s")
                : Explain(e);
        }
        finally
        {
            await overdue.DisposeAsync();
            content.Finish();
            await ended.CancelAsync();
        }
    }

    /// <summary>Whether anything answers there. What answers wrongly answers, too.</summary>
    public async Task<bool> IsReachableAsync(string address, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        using var invoker = new HttpMessageInvoker(Handler());
        try
        {
            using var request = Request(address, new ByteArrayContent([]));
            request.Method = HttpMethod.Get;
            using var response = await invoker.SendAsync(request, either.Token);
            return true;
        }
        catch (HttpRequestException e)
        {
            return e.HttpRequestError is not (HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError);
        }
        catch (Exception e) when (e is UriFormatException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }

    private static (PeerFault, string) Explain(Exception e)
    {
        var root = e.GetBaseException();
        return e switch
        {
            { InnerException: AuthenticationException } => (PeerFault.Tls, $"TLS: {root.Message}"),
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => (PeerFault.Tls, $"TLS: {root.Message}"),
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } =>
                (PeerFault.Connection, root.Message),
            // Connected, but no HTTP/2: the innermost error is often an accident of the abort, the one above tells.
            HttpRequestException => (PeerFault.Garbage, $"it does not speak HTTP/2: {e.InnerException?.Message ?? e.Message}"),
            _ => (PeerFault.Connection, root.Message),
        };
    }

    private HttpRequestMessage Request(string address, HttpContent content) => new(HttpMethod.Post, $"{_scheme}://{address}{PeerListener.Path}")
    {
        Version = HttpVersion.Version20,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Content = content,
    };

    private SocketsHttpHandler Handler()
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = ConnectTimeout,
            PooledConnectionIdleTimeout = TimeSpan.Zero,
            KeepAlivePingDelay = PingDelay,
            KeepAlivePingTimeout = PingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            InitialHttp2StreamWindowSize = PeerConnection.CallsLimit,
            ActivityHeadersPropagator = null,
        };
        if (_own is not null)
        {
            handler.SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificateContext = _own,
                // The certificate must name the advertised address, as any server's must.
                CertificateChainPolicy = _trust!.Clone(),
            };
        }

        return handler;
    }
}

/// <summary>A request body that stays open: what is written to its stream goes to the peer as it is written.</summary>
internal sealed class DuplexContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> _output = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The request's stream, once it is there.</summary>
    public Task<Stream> Output => _output.Task;

    /// <summary>Ends the body.</summary>
    public void Finish() => _finished.TrySetResult();

    // This overload, too: the other one buffers what is written.
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        try
        {
            // The headers leave now, not with the first frame.
            await stream.FlushAsync(cancellationToken);
            _output.TrySetResult(stream);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // The connection failed; its own error is the one to be told, not this body's.
            return;
        }

        // Cancelled when the connection fails: as above.
        await _finished.Task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
