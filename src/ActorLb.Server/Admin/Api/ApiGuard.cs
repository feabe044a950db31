using System.Net;
using ActorLb.Protocol.Admin;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Admin.Api;

/// <summary>
/// Applies to all API requests: every failure has the same shape, and another site's web page cannot make the operator's browser
/// change, or read from, a node that requires no token.
/// </summary>
/// <param name="isOpen">Whether the endpoint requires neither a token nor a client certificate.</param>
internal sealed partial class ApiGuard(ILogger logger, Func<bool> isOpen, AuditLog audit)
{
    /// <summary>As in routing, which ignores the case of paths.</summary>
    public static bool IsApi(HttpContext context) => context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase);

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        // The health pages reveal nothing else, and probes use any host name.
        if (!AdminEndpoint.IsHealth(context) && Stranger(context) is { } stranger)
        {
            audit.Refuse(context, "it comes from another site's page, or uses a host name that is not accepted", stranger);
            await ApiResult.Fail(StatusCodes.Status403Forbidden, AdminErrors.Refused, stranger).WriteAsync(context);
            return;
        }
        if (!IsApi(context))
        {
            await next(context);
            return;
        }
        if (!AuditLog.IsChange(context))
        {
            await AnswerAsync(context, next);
            return;
        }
        // Before the response is sent, so that its receiver can already find the line.
        context.Response.OnStarting(() =>
        {
            audit.Write(context, isAnswered: true);
            return Task.CompletedTask;
        });
        try
        {
            await AnswerAsync(context, next);
        }
        finally
        {
            if (!context.Response.HasStarted) audit.Write(context, isAnswered: false);
        }
    }

    private async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }
        catch (TimeoutException) when (!context.Response.HasStarted)
        {
            await ApiResult.Fail(
                StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, "the node's fleet membership does not answer; it may have ended").WriteAsync(context);
            return;
        }
        catch (BadHttpRequestException e)
        {
            string error = e.StatusCode == StatusCodes.Status413PayloadTooLarge ? AdminErrors.TooLarge : AdminErrors.Invalid;
            if (!context.Response.HasStarted) await ApiResult.Fail(e.StatusCode, error, e.Message).WriteAsync(context);
            return;
        }
        catch (Exception e)
        {
            Log.Failed(logger, e, context.Request.Method, context.Request.Path);
            if (context.Response.HasStarted) context.Abort();
            else await ApiResult.Fail(StatusCodes.Status500InternalServerError, AdminErrors.Internal, "the node failed to answer; see its log").WriteAsync(context);
            return;
        }
        if (!context.Response.HasStarted) await NameMissing(context);
    }

    /// <summary>Requests that routing could not match.</summary>
    private static Task NameMissing(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => ApiResult.Unknown($"no path {context.Request.Path}").WriteAsync(context),
        StatusCodes.Status405MethodNotAllowed => ApiResult.Fail(
            StatusCodes.Status405MethodNotAllowed, AdminErrors.Method,
            $"{context.Request.Path} accepts {context.Response.Headers.Allow}, not {context.Request.Method}").WriteAsync(context),
        _ => Task.CompletedTask,
    };

    private string? Stranger(HttpContext context)
    {
        // Browsers state which page makes the request; other clients send no Origin.
        string origin = context.Request.Headers.Origin.ToString();
        string host = context.Request.Host.Value ?? "";
        if (origin.Length > 0 && (!Uri.TryCreate(origin, UriKind.Absolute, out var page) || !string.Equals(page.Authority, host, StringComparison.OrdinalIgnoreCase)))
        {
            return $"the request comes from another site's page ({origin})";
        }
        // A name that resolves to loopback makes another site's page look like one of this node's (DNS rebinding); addresses cannot do
        // that.
        string name = context.Request.Host.Host;
        if (isOpen() && name is not ("localhost" or "") && !IPAddress.TryParse(name.Trim('[', ']'), out _))
        {
            return $"the host name '{name}' is not accepted while admin.token-file is not set; use the address";
        }
        return null;
    }

    private static partial class Log
    {
        [LoggerMessage(3020, LogLevel.Error, "admin request {Method} {Path} failed")]
        public static partial void Failed(ILogger logger, Exception e, string method, string path);
    }
}
