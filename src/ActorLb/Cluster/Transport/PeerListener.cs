using System.Buffers;
using System.Net;
using ActorLb.Hosting;
using ActorLb.Protocol.Peer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ActorLb.Cluster.Transport;

/// <summary>The peer port: a Kestrel of its own that speaks HTTP/2 and nothing else.</summary>
internal sealed class PeerListener : IAsyncDisposable
{
    public const string Path = "/peer";

    /// <summary>Strangers and peers together; a fleet needs four connections a peer at most.</summary>
    private const int MaxConnections = 1024;

    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(2);

    private readonly PeerHandshake _handshake;
    private readonly PeerFaults _faults;
    private readonly TimeProvider _time;
    private readonly Func<PeerConnection, PeerHello, CancellationToken, Task> _carry;
    private readonly CancellationTokenSource _stop = new();
    private readonly WebApplication _app;

    public PeerListener(
        IPEndPoint bind, PeerHandshake handshake, PeerSecurity security, PeerFaults faults, TimeProvider time, ILoggerFactory loggers,
        Func<PeerConnection, PeerHello, CancellationToken, Task> carry)
    {
        _handshake = handshake;
        _faults = faults;
        _time = time;
        _carry = carry;

        // Empty: no configuration from the environment, no routing, no signal handlers; the program has those.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = StopTimeout);
        builder.WebHost.UseKestrelCore();
        builder.Services.AddSingleton<IConnectionListenerFactory, AcceptingTransport>();
        if (security.Tls is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            var limits = kestrel.Limits;
            limits.MaxConcurrentConnections = MaxConnections;
            // A stream is idle for as long as nothing is to be said, and has no end.
            limits.MinRequestBodyDataRate = null;
            limits.MinResponseDataRate = null;
            limits.MaxRequestBodySize = null;
            limits.Http2.KeepAlivePingDelay = PeerDialler.PingDelay;
            limits.Http2.KeepAlivePingTimeout = PeerDialler.PingTimeout;
            limits.Http2.InitialStreamWindowSize = PeerConnection.CallsLimit;
            limits.Http2.InitialConnectionWindowSize = PeerConnection.CallsLimit;
            limits.Http2.MaxStreamsPerConnection = 4;
            kestrel.Listen(bind, listen =>
            {
                // Clear text with HTTP/1.1 beside it would be HTTP/1.1.
                listen.Protocols = HttpProtocols.Http2;
                if (security.Tls is { } tls)
                {
                    listen.Use(WatchTls);
                    listen.UseHttps(Https(tls));
                }

                listen.Use(WatchPreface);
            });
        });
        _app = builder.Build();
        _app.Run(ServeAsync);
    }

    /// <exception cref="IOException">The address cannot be bound.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => _app.StartAsync(cancellationToken);

    /// <summary>The bound port.</summary>
    public int Port => new Uri(_app.Urls.First()).Port;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _stop.Dispose();
    }

    private HttpsConnectionAdapterOptions Https(Configuration.ServiceTlsOptions tls)
    {
        var trust = ServiceCertificates.TrustOf(tls)!;
        return new HttpsConnectionAdapterOptions
        {
            ServerCertificate = ServiceCertificates.OwnOf(tls),
            ServerCertificateChain = ServiceCertificates.IntermediatesOf(tls),
            ClientCertificateMode = ClientCertificateMode.RequireCertificate,
            ClientCertificateValidation = (certificate, chain, errors) =>
            {
                if (errors == System.Net.Security.SslPolicyErrors.None)
                {
                    return true;
                }

                var status = chain?.ChainStatus.Select(s => s.StatusInformation.Trim()).FirstOrDefault(s => s.Length > 0);
                _faults.Report(PeerFault.Tls, certificate.Subject, $"its certificate is not accepted: {status ?? errors.ToString()}");
                return false;
            },
            OnAuthenticate = (_, options) => options.CertificateChainPolicy = trust.Clone(),
            HandshakeTimeout = PeerHandshake.Timeout,
        };
    }

    /// <summary>Outside TLS: a connection that ends without having got through it is a fault of its own kind.</summary>
    private ConnectionDelegate WatchTls(ConnectionDelegate next) => async connection =>
    {
        await next(connection);
        if (!connection.Items.ContainsKey(nameof(WatchPreface)) && !_stop.IsCancellationRequested)
        {
            _faults.Report(PeerFault.Tls, $"{connection.RemoteEndPoint}", "TLS was not established: no certificate, one that is not trusted, or no TLS at all");
        }
    };

    /// <summary>
    /// Inside TLS: what does not begin as HTTP/2 does (RFC 9113, section 3.4) is no peer. Kestrel would close it as silently as a
    /// port scan; an operator who gave a wrong port wants to read of it.
    /// </summary>
    private ConnectionDelegate WatchPreface(ConnectionDelegate next) => async connection =>
    {
        connection.Items[nameof(WatchPreface)] = null;
        using var deadline = new CancellationTokenSource(PeerHandshake.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stop.Token);
        try
        {
            var seen = await ReadPrefaceAsync(connection.Transport.Input, either.Token);
            if (seen != Preface.Http2)
            {
                _faults.Report(PeerFault.Garbage, $"{connection.RemoteEndPoint}", seen == Preface.Nothing ? "closed without a word" : "it does not speak HTTP/2");
                connection.Abort();
                return;
            }
        }
        catch (OperationCanceledException)
        {
            if (!_stop.IsCancellationRequested)
            {
                _faults.Report(PeerFault.Timeout, $"{connection.RemoteEndPoint}", $"said nothing within {PeerHandshake.Timeout.TotalSeconds:0} s");
            }

            connection.Abort();
            return;
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            return;
        }

        await next(connection);
    };

    private enum Preface { Nothing, Http2, Other }

    private static async Task<Preface> ReadPrefaceAsync(System.IO.Pipelines.PipeReader input, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await input.ReadAsync(cancellationToken);
            var seen = Compare(read.Buffer);
            // Consumes nothing: Kestrel reads it again. Examined only where more is needed.
            input.AdvanceTo(read.Buffer.Start, seen == Preface.Nothing ? read.Buffer.End : read.Buffer.Start);
            if (seen != Preface.Nothing || read.IsCompleted)
            {
                return seen == Preface.Nothing && !read.Buffer.IsEmpty ? Preface.Other : seen;
            }
        }
    }

    private static Preface Compare(ReadOnlySequence<byte> buffer)
    {
        ReadOnlySpan<byte> preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;
        Span<byte> start = stackalloc byte[preface.Length];
        var n = (int)Math.Min(buffer.Length, preface.Length);
        buffer.Slice(0, n).CopyTo(start);
        return !start[..n].SequenceEqual(preface[..n]) ? Preface.Other : n == preface.Length ? Preface.Http2 : Preface.Nothing;
    }

    private async Task ServeAsync(HttpContext context)
    {
        var who = $"{new IPEndPoint(context.Connection.RemoteIpAddress ?? IPAddress.None, context.Connection.RemotePort)}";
        if (!HttpMethods.IsPost(context.Request.Method) || context.Request.Path != Path)
        {
            // Also how a node asks whether this one lives.
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        // Not the request's own token: that the dialler is gone shows in the body, with a reason.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        using var deadline = new CancellationTokenSource(PeerHandshake.Timeout, _time);
        var overdue = deadline.Token.UnsafeRegister(static e => ((CancellationTokenSource)e!).Cancel(), ended);
        try
        {
            // The dialler's call returns with the headers.
            await context.Response.Body.FlushAsync(ended.Token);
            var output = context.Response.Body;
            var reader = new FrameReader(context.Request.Body, PeerHello.MaxSize);
            var (peer, fault, reason) = await _handshake.AcceptAsync(reader, output, ended.Token);
            if (peer is null)
            {
                _faults.Report(fault, who, reason);
                return;
            }

            await overdue.DisposeAsync();
            await _carry(new PeerConnection(output, reader, (PeerLane)peer.Lane, dialled: false), peer, ended.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
        {
            if (!_stop.IsCancellationRequested)
            {
                var silent = deadline.IsCancellationRequested;
                _faults.Report(
                    silent ? PeerFault.Timeout : PeerFault.Connection, who, silent ? "the handshake was not finished in time" : e.GetBaseException().Message);
            }
        }
        finally
        {
            await overdue.DisposeAsync();
        }
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
