using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>A route whose response continues until its reader disconnects.</summary>
internal sealed record SendsWithoutEnd
{
    public static readonly SendsWithoutEnd Instance = new();
}

/// <summary>Maps handlers below <c>/api/v1</c>. Plain request delegates: no code generation or reflection at run time.</summary>
internal sealed class ApiRoutes(WebApplication app)
{
    public const string Prefix = "/api/v1/";

    public void Get(string path, Func<HttpContext, Task<ApiResult>> handler) => app.MapGet(Prefix + path, Answering(handler));

    public void Post(string path, Func<HttpContext, Task<ApiResult>> handler) => app.MapPost(Prefix + path, Answering(handler));

    /// <summary>A read-only request that needs a body, such as a file to check.</summary>
    public void Ask(string path, Func<HttpContext, Task<ApiResult>> handler) =>
        app.MapPost(Prefix + path, Answering(handler)).WithMetadata(ChangesNothing.Instance);

    public void Put(string path, Func<HttpContext, Task<ApiResult>> handler) => app.MapPut(Prefix + path, Answering(handler));

    public void Delete(string path, Func<HttpContext, Task<ApiResult>> handler) => app.MapDelete(Prefix + path, Answering(handler));

    /// <summary>A handler that writes its response itself, piece by piece.</summary>
    public void Stream(string path, RequestDelegate handler) => app.MapGet(Prefix + path, handler).WithMetadata(SendsWithoutEnd.Instance);

    private static RequestDelegate Answering(Func<HttpContext, Task<ApiResult>> handler) =>
        async context => await (await handler(context)).WriteAsync(context);
}
