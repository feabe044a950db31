using System.Net;
using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Admin.Api;

/// <summary>A route that changes nothing although its method suggests a change.</summary>
internal sealed record ChangesNothing
{
    public static readonly ChangesNothing Instance = new();
}

/// <summary>
/// Writes a line for every change requested through the API, whatever its outcome: who (address, and token or certificate), what, and
/// the result. It is written where all requests pass, so that no route can be forgotten, and at every log level. Unauthorized
/// requests are logged too, as far as <see cref="LogLimit"/> allows.
/// </summary>
internal sealed partial class AuditLog : IDisposable
{
    /// <summary>Longest part of a request or response that is logged.</summary>
    private const int Longest = 1024;

    private static readonly object Written = new();

    private readonly ILogger _logger;
    private readonly AdminToken _token;
    private readonly LogLimit _limit;

    public AuditLog(ILoggerFactory loggers, AdminToken token, TimeProvider time)
    {
        _logger = loggers.CreateLogger(NodeLogging.AuditCategory);
        _token = token;
        _limit = new LogLimit(_logger, time);
    }

    public static bool IsChange(HttpContext context) => ApiGuard.IsApi(context)
        && !HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method)
        && context.GetEndpoint()?.Metadata.GetMetadata<ChangesNothing>() is null;

    /// <summary>Keeps the response to a change, and what it asked for, for the line.</summary>
    public static void Note(HttpContext context, ApiResult answer) => context.Items[typeof(ApiResult)] = answer;

    public static void NoteBody(HttpContext context, string body) => context.Items[typeof(AuditLog)] = body;

    /// <summary>The change was answered, or its response could not be delivered.</summary>
    /// <param name="isAnswered">False when the client disconnected first.</param>
    public void Write(HttpContext context, bool isAnswered)
    {
        // Called both when the response starts and when the client disconnects.
        if (!context.Items.TryAdd(Written, true)) return;
        // A request without a token was refused, and logged, before anything was done.
        if (context.Response.StatusCode == StatusCodes.Status401Unauthorized) return;
        string body = context.Items[typeof(AuditLog)] is string { Length: > 0 } text ? $" {text}" : "";
        string result = context.Items[typeof(ApiResult)] is ApiResult answer ? Describe(answer)
            : !isAnswered || context.Response.StatusCode < 300 ? "unknown: the client disconnected"
            : $"refused ({context.Response.StatusCode})";
        Log.Change(_logger, ClientOf(context), IdentityOf(context), SafeText.Shortened(ActionOf(context) + body, Longest), SafeText.Shortened(result, Longest));
    }

    /// <summary>Who asks, as logged; also logged by another node that carries out the request.</summary>
    public string Who(HttpContext context) => $"{ClientOf(context)} ({IdentityOf(context)})";

    /// <summary>Logs what was done here on another node's request.</summary>
    /// <param name="by">That node, and who made the request there.</param>
    public void WriteForOthers(string by, string action, string result) => Log.ForOthers(
        _logger, SafeText.Shortened(SafeText.Of(by), Longest), SafeText.Shortened(SafeText.Of(action), Longest), SafeText.Shortened(result, Longest));

    /// <summary>Logs an unauthorized request, whatever it asked for.</summary>
    /// <param name="reason">One of the program's fixed texts.</param>
    public void Refuse(HttpContext context, string reason, string? detail = null)
    {
        if (!_limit.Admits(LogLevel.Warning, "admin endpoint, client", AddressOf(context), reason)) return;
        Log.Refused(_logger, ClientOf(context), SafeText.Shortened(ActionOf(context), Longest), SafeText.Shortened(detail ?? reason, Longest));
    }

    public void Dispose() => _limit.Dispose();

    private static string Describe(ApiResult answer) => answer.Status < 300
        ? answer.Detail is { } done ? $"done: {done}" : "done"
        : $"refused ({answer.Status}): {answer.Detail}";

    /// <summary>The decoded path below the API's: "POST backends/10.0.0.1:1883/drain".</summary>
    private static string ActionOf(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "";
        string below = path.StartsWith(ApiRoutes.Prefix, StringComparison.OrdinalIgnoreCase) ? path[ApiRoutes.Prefix.Length..] : path;
        return $"{context.Request.Method} {SafeText.Of(below)}{SafeText.Of(Uri.UnescapeDataString(context.Request.QueryString.Value ?? ""))}";
    }

    private static string AddressOf(HttpContext context) => context.Connection.RemoteIpAddress is { } address
        ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : "?";

    private static string ClientOf(HttpContext context) => context.Connection.RemoteIpAddress is { } address
        ? new IPEndPoint(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, context.Connection.RemotePort).ToString() : "?";

    private string IdentityOf(HttpContext context)
    {
        string token = _token.IsSet ? $"token {_token.Name}" : "no token";
        return context.Connection.ClientCertificate is { } certificate ? $"{token}, certificate {certificate.Subject}" : token;
    }

    private static partial class Log
    {
        [LoggerMessage(3030, LogLevel.Information, "{Client} ({Identity}): {Action}: {Result}")]
        public static partial void Change(ILogger logger, string client, string identity, string action, string result);

        [LoggerMessage(3032, LogLevel.Information, "{By}: {Action}: {Result}")]
        public static partial void ForOthers(ILogger logger, string by, string action, string result);

        [LoggerMessage(3031, LogLevel.Warning, "{Client} is refused: {Action}: {Reason}")]
        public static partial void Refused(ILogger logger, string client, string action, string reason);
    }
}
