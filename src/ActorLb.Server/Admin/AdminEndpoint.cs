using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Configuration.Checks;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin.Api;
using ActorLb.Server.Dashboard;
using ActorLb.Server.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Admin;

/// <summary>
/// The HTTP endpoint for operators and monitoring. With a token, everything requires it except the two health pages and the dashboard's
/// own files; without one, the configuration only allows a loopback address.
/// </summary>
internal sealed class AdminEndpoint(Node node, NodeLogging logging, NodeControl control) : IAsyncDisposable
{
    /// <summary>Room for a client id of 65,535 bytes, percent-encoded, and the rest of the line.</summary>
    private const int LongestRequestLine = 256 * 1024;

    /// <summary>Maximum number of connections; see <see cref="ConnectionPlaces"/>.</summary>
    public const int MostConnections = 128;

    /// <summary>Maximum number of responses built and sent at the same time.</summary>
    public const int MostAnswers = 8;

    /// <summary>For a request's head and for a TLS handshake.</summary>
    private static readonly TimeSpan HeadPatience = TimeSpan.FromSeconds(5);

    // Bytes per second, averaged over the time spent waiting for a peer; slower ones are disconnected. Kestrel checks once a second.
    private static readonly MinDataRate SlowestSender = new(4 * 1024, TimeSpan.FromSeconds(5));
    private static readonly MinDataRate SlowestReader = new(128 * 1024, TimeSpan.FromSeconds(5));

    private readonly CancellationTokenSource _stopping = new();
    private readonly ConnectionPlaces _connections = new(MostConnections, TimeProvider.System, logging.Factory.CreateLogger("ActorLb.Server.Admin"));
    private readonly AuditLog _audit = new(logging.Factory, control.Token, TimeProvider.System);
    private WebApplication? _app;
    private NodeHistory? _history;
    private StatisticsFeed? _feed;

    /// <summary>Feeds the dashboard; null before the start.</summary>
    internal StatisticsFeed Feed => _feed!;

    /// <summary>All routes, for tests that check each of them.</summary>
    internal IEnumerable<RouteEndpoint> Routes => ((IEndpointRouteBuilder)_app!).DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>();

    public IPEndPoint Address { get; private set; } = new(IPAddress.None, 0);

    /// <exception cref="IOException">The address is in use, or a file cannot be used.</exception>
    public async Task StartAsync(AdminOptions options)
    {
        control.Token.Set(await FileReading.RunAsync(() => AdminToken.ReadHash(options.TokenFile)), options.TokenFile);
        var https = options.Tls is { } tls ? await FileReading.RunAsync(() => Https(tls)) : null;
        // The web server takes no settings from appsettings.json or environment variables, and need not read and watch them.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(logging.Factory);
        builder.Services.AddSingleton<IConnectionListenerFactory, AcceptingTransport>();
        if (https is not null) builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 1 << 20;
            kestrel.Limits.RequestHeadersTimeout = HeadPatience;
            kestrel.Limits.MinRequestBodyDataRate = SlowestSender;
            kestrel.Limits.MinResponseDataRate = SlowestReader;
            kestrel.Limits.MaxRequestLineSize = LongestRequestLine;
            kestrel.Listen(options.Bind, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                // Before TLS, since a stalled handshake holds a place too.
                listen.Use(next => connection => _connections.HoldAsync(connection, next));
                if (https is not null) listen.UseHttps(https);
            });
        });
        var app = builder.Build();
        var guard = new ApiGuard(
            logging.Factory.CreateLogger("ActorLb.Server.Admin"), () => !control.Token.IsSet && options.Tls is not { Ca: not null }, _audit);
        app.Use(guard.InvokeAsync);
        app.Use(Authorize);
        var answers = new AnswerPlaces(MostAnswers, _connections, TimeProvider.System);
        app.Use((context, next) => TakePlaceAsync(context, answers, next));
        app.MapGet("/status", context => Text(context, StatusPage.Render(node)));
        app.MapGet("/metrics", context =>
        {
            context.Response.ContentType = MetricsPage.ContentType;
            return AnswerPlaces.WriteAsync(context, MetricsPage.Render(node, _connections, control, _feed));
        });
        app.MapGet("/healthz", context => Text(context, "ok\n"));
        app.MapGet("/readyz", context => node.IsReady
            ? Text(context, "ready\n")
            : Text(context, node.IsDraining ? "draining\n" : "starting\n", StatusCodes.Status503ServiceUnavailable));
        DashboardFiles.Map(app);
        StartStatistics();
        MapApi(new ApiRoutes(app));
        _app = app;
        await app.StartAsync();
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Address = new IPEndPoint(options.Bind.Address, new Uri(address).Port);
    }

    /// <summary>Every metric, including the endpoint's own.</summary>
    public void WriteMetrics(MetricsWriter w) => MetricsPage.Write(w, node, _connections, control, _feed);

    public async ValueTask DisposeAsync()
    {
        if (_app is null) return;
        await _stopping.CancelAsync();
        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await _app.StopAsync(hurry.Token);
        }
        catch (OperationCanceledException)
        {
            // A reader that does not disconnect must not keep the node running.
        }
        await _app.DisposeAsync();
        if (_feed is not null) await _feed.DisposeAsync();
        _history?.Dispose();
        _connections.Dispose();
        _audit.Dispose();
        _stopping.Dispose();
    }

    private void StartStatistics()
    {
        var logger = logging.Factory.CreateLogger("ActorLb.Server.Dashboard");
        _history = new NodeHistory(node, TimeProvider.System, logger);
        var reader = new StatisticsReader(
            node, () => NodeCertificates.List(node, control.Admin, TimeProvider.System.GetUtcNow()), _history, TimeProvider.System);
        _feed = new StatisticsFeed(node, reader, _history, member => ClusterApi.WithConfiguration(node, member), TimeProvider.System, logger);
    }

    private void MapApi(ApiRoutes routes)
    {
        var names = new KnownNames(node);
        new NodeApi(node, control, names, TimeProvider.System).Map(routes);
        new PoolApi(node, names).Map(routes);
        new PoolMembersApi(node, names).Map(routes);
        new StickyApi(node, names).Map(routes);
        new BanApi(node, _audit, TimeProvider.System).Map(routes);
        new SessionApi(node, _audit).Map(routes);
        new ActorApi(node).Map(routes);
        new ClusterApi(node, TimeProvider.System, _stopping.Token).Map(routes);
        OpenApiApi.Map(routes);
        new StatisticsApi(_feed!, TimeProvider.System, _stopping.Token).Map(routes);
    }

    private static Task Text(HttpContext context, string text, int status = StatusCodes.Status200OK, string contentType = "text/plain")
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        return AnswerPlaces.WriteAsync(context, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Compared as routing does, which treats slashes and case loosely.</summary>
    private static bool IsStream(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<SendsWithoutEnd>() is not null;

    internal static bool IsHealth(HttpContext context) => context.Request.Path == "/healthz" || context.Request.Path == "/readyz";

    private static Task TakePlaceAsync(HttpContext context, AnswerPlaces answers, RequestDelegate next)
    {
        if (IsHealth(context)) return ConnectionPlaces.UseAsync(context, ConnectionPlaces.Use.Health, next);
        if (IsStream(context)) return ConnectionPlaces.UseAsync(context, ConnectionPlaces.Use.Stream, next);
        return HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method)
            ? ConnectionPlaces.UseAsync(context, ConnectionPlaces.Use.Waiting, waiting => answers.RunAsync(waiting, next))
            : ConnectionPlaces.UseAsync(context, ConnectionPlaces.Use.Change, next);
    }

    private async Task Authorize(HttpContext context, RequestDelegate next)
    {
        if (!control.Token.IsSet || IsHealth(context) || DashboardFiles.Has(context.Request.Path))
        {
            await next(context);
            return;
        }
        const string Scheme = "Bearer ";
        string header = context.Request.Headers.Authorization.ToString();
        if (control.Token.Matches(header.StartsWith(Scheme, StringComparison.Ordinal) ? header[Scheme.Length..] : ""))
        {
            await next(context);
            return;
        }
        _audit.Refuse(context, header.Length == 0 ? "it has no token" : "its token is wrong");
        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = "Bearer";
        const string Wanted = "the admin endpoint requires its token";
        if (ApiGuard.IsApi(context)) await ApiResult.Fail(StatusCodes.Status401Unauthorized, AdminErrors.Unauthorized, Wanted).WriteAsync(context);
        else await context.Response.WriteAsync(Wanted + "\n");
    }

    private static HttpsConnectionAdapterOptions Https(ServiceTlsOptions tls)
    {
        X509Certificate2 own;
        X509Certificate2Collection intermediates;
        X509ChainPolicy? trust;
        try
        {
            own = ServiceCertificates.OwnOf(tls)!;
            intermediates = ServiceCertificates.IntermediatesOf(tls);
            trust = ServiceCertificates.TrustOf(tls);
        }
        catch (InvalidOperationException e)
        {
            throw new IOException($"admin.tls: {e.Message}", e);
        }
        var https = new HttpsConnectionAdapterOptions
        {
            ServerCertificate = own,
            ServerCertificateChain = intermediates,
            HandshakeTimeout = HeadPatience,
        };
        if (trust is null) return https;
        https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
        https.ClientCertificateValidation = (certificate, _, _) =>
        {
            using var chain = new X509Chain { ChainPolicy = trust.Clone() };
            return chain.Build(certificate);
        };
        return https;
    }
}
