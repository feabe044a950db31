using System.Net;
using ActorLb.Protocol.Admin;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Admin.Api;

/// <summary>
/// What all requests to the API have in common: every failure has the one shape, and a web page of a stranger cannot have the
/// operator's browser change a node that asks for no token, nor read any page of it.
/// </summary>
/// <param name="isOpen">Whether the endpoint asks for neither token nor client certificate.</param>
internal sealed partial class ApiGuard(ILogger logger, Func<bool> isOpen, AuditLog audit)
{
    /// <summary>As routing has it, which tells upper from lower case in no path.</summary>
    public static bool IsApi(HttpContext context) => context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase);

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        // Who asks whether the node is well learns nothing else, and probes have any name for it.
        if (!AdminEndpoint.IsHealth(context) && Stranger(context) is { } stranger)
        {
            audit.Refuse(context, "it is none of this endpoint's pages or names", stranger);
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
        // Before the answer goes: whoever has it can find the line.
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
                StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, "the node's part in the fleet does not answer; it may have ended").WriteAsync(context);
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
            else await ApiResult.Fail(StatusCodes.Status500InternalServerError, AdminErrors.Internal, "the node failed to answer; its log has more").WriteAsync(context);
            return;
        }
        if (!context.Response.HasStarted) await NameMissing(context);
    }

    /// <summary>What routing left without an answer.</summary>
    private static Task NameMissing(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => ApiResult.Unknown($"no path {context.Request.Path}").WriteAsync(context),
        StatusCodes.Status405MethodNotAllowed => ApiResult.Fail(
            StatusCodes.Status405MethodNotAllowed, AdminErrors.Method,
            $"{context.Request.Path} takes {context.Response.Headers.Allow}, not {context.Request.Method}").WriteAsync(context),
        _ => Task.CompletedTask,
    };

    private string? Stranger(HttpContext context)
    {
        // A browser tells whose page asks; everyone else sends no Origin.
        string origin = context.Request.Headers.Origin.ToString();
        string host = context.Request.Host.Value ?? "";
        if (origin.Length > 0 && (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) || !string.Equals(page.Authority, host, StringComparison.OrdinalIgnoreCase)))
        {
            return $"the request comes from a page of another site ({origin})";
        }
        // A name that resolves to loopback makes a stranger's page look like one of this node (DNS rebinding); addresses cannot.
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
