using ActorLb.Server.Admin.Description;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>Serves the OpenAPI document of all other routes.</summary>
internal static class OpenApiApi
{
    public static void Map(ApiRoutes routes) =>
        routes.Get(ApiDocument.Path, async _ => new ApiResult(StatusCodes.Status200OK, await ApiDocument.JsonAsync()));
}
