using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>A response of the admin API: a record, or an <see cref="AdminError"/> with its status code.</summary>
/// <param name="Detail">What was done, or why it was not, in words.</param>
internal readonly record struct ApiResult(int Status, byte[] Json, string? Detail = null)
{
    public const string ContentType = "application/json; charset=utf-8";

    public static ApiResult Of<T>(T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK) =>
        new(status, JsonSerializer.SerializeToUtf8Bytes(value, type));

    public static ApiResult Done(string message) => Of(new Done(message), AdminJson.Wire.Done) with { Detail = message };

    public static ApiResult Invalid(string detail) => Fail(StatusCodes.Status400BadRequest, AdminErrors.Invalid, detail);

    public static ApiResult Unknown(string detail) => Fail(StatusCodes.Status404NotFound, AdminErrors.Unknown, detail);

    public static ApiResult Refused(string detail) => Fail(StatusCodes.Status409Conflict, AdminErrors.Refused, detail);

    public static ApiResult Of(Refusal refusal) => refusal.Kind switch
    {
        RefusalKind.Unknown => Unknown(refusal.Reason),
        RefusalKind.Unavailable => Fail(StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, refusal.Reason),
        _ => Refused(refusal.Reason),
    };

    public static ApiResult Fail(int status, string error, string detail) =>
        Of(new AdminError(error, detail), AdminJson.Wire.AdminError, status) with { Detail = detail };

    public Task WriteAsync(HttpContext context)
    {
        AuditLog.Note(context, this);
        context.Response.StatusCode = Status;
        context.Response.ContentType = ContentType;
        context.Response.Headers.CacheControl = "no-store";
        return AnswerPlaces.WriteAsync(context, Json);
    }
}
