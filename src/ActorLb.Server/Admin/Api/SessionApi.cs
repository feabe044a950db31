using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The group <c>session</c>: the connections of the fleet, or of one node.</summary>
internal sealed class SessionApi(Node node, AuditLog audit)
{
    private const int UsualPage = 100;
    private const int LargestPage = 1000;
    private const int UsualTop = 10;

    public void Map(ApiRoutes routes)
    {
        node.FleetSessions.KickedForOthers = (by, clientId, kicked) => audit.WriteForOthers(by, $"session kick {clientId}", $"done: {kicked} disconnected");
        routes.Get("sessions", ListAsync);
        routes.Get("sessions/count", CountAsync);
        routes.Get("sessions/find", FindAsync);
        routes.Get("sessions/top", TopAsync);
        routes.Post("sessions/kick", KickAsync);
    }

    private async Task<ApiResult> ListAsync(HttpContext context)
    {
        string? filter = ApiRequest.Query(context, "filter");
        if (SessionFilter.TryParse(filter, out string? problem) is null) return ApiResult.Invalid(problem!);
        if (ApiRequest.TryNumber(context, "limit", UsualPage, LargestPage, out int limit) is { } bad) return bad;
        if (TryNode(context, out string? only) is { } unknown) return unknown;
        string? after = ApiRequest.Query(context, "after");
        return await node.FleetSessions.ListAsync(filter ?? "", after, limit, only, context.RequestAborted) is { } page
            ? ApiResult.Of(page, AdminJson.Wire.SessionPage)
            : NoPlace(after);
    }

    private static ApiResult NoPlace(string? after) => ApiResult.Invalid($"after: '{after}' is not the 'next' of an earlier answer");

    private async Task<ApiResult> FindAsync(HttpContext context)
    {
        if (StickyApi.TryClient(context, out string clientId) is { } bad) return bad;
        if (TryNode(context, out string? only) is { } unknown) return unknown;
        string? after = ApiRequest.Query(context, "after");
        if (await node.FleetSessions.FindAsync(clientId, after, LargestPage, only, context.RequestAborted) is not { } page) return NoPlace(after);
        return page.Sessions.Length > 0 || after is not null ? ApiResult.Of(page, AdminJson.Wire.SessionPage) : NoSession(only, page.Silent);
    }

    private async Task<ApiResult> KickAsync(HttpContext context)
    {
        if (StickyApi.TryClient(context, out string clientId) is { } bad) return bad;
        if (TryNode(context, out string? only) is { } unknown) return unknown;
        var kick = await node.FleetSessions.KickAsync(clientId, audit.Who(context), only, context.RequestAborted);
        if (kick.Kicked == 0) return NoSession(only, kick.Silent);
        string where = string.Join(", ", kick.Nodes.Select(n => $"{n.Count} on {n.Name}"));
        string missing = kick.Silent.Length == 0 ? "" : $"; {Describe(kick.Silent)}";
        return ApiResult.Of(kick, AdminJson.Wire.SessionKick) with { Detail = $"{where}{missing}" };
    }

    private async Task<ApiResult> CountAsync(HttpContext context) => TryNode(context, out string? only) is { } unknown
        ? unknown
        : ApiResult.Of(await node.FleetSessions.CountAsync(only, context.RequestAborted), AdminJson.Wire.SessionCount);

    private async Task<ApiResult> TopAsync(HttpContext context)
    {
        string by = ApiRequest.Query(context, "by") ?? TopBys.NameOf(TopBy.Bytes);
        if (TopBys.TryParse(by) is not { } kind) return ApiResult.Invalid($"by: '{by}' is not one of {TopBys.Names}");
        if (ApiRequest.TryNumber(context, "limit", UsualTop, SessionWire.TopClients, out int limit) is { } bad) return bad;
        return TryNode(context, out string? only) is { } unknown
            ? unknown
            : ApiResult.Of(await node.FleetSessions.TopAsync(kind, limit, only, context.RequestAborted), AdminJson.Wire.SessionTop);
    }

    /// <summary>The node given in the query; null for all.</summary>
    private ApiResult? TryNode(HttpContext context, out string? name)
    {
        name = ApiRequest.Query(context, "node");
        return name is null || node.Inquiry.Knows(name) ? null : ApiResult.Of(FleetRefusals.NoNode(name, node.Inquiry.Nodes));
    }

    /// <summary>No node has the session, or those that answered do not and the others did not answer.</summary>
    private ApiResult NoSession(string? only, SilentNode[] silent)
    {
        string[] asked = [.. (only is null ? node.Inquiry.Nodes : [only]).Where(n => !silent.Any(s => s.Node == n))];
        string none = $"no session of that client on {(asked.Length == 1 ? $"node {asked[0]}" : $"nodes {string.Join(", ", asked)}")}";
        if (silent.Length == 0) return ApiResult.Unknown(none);
        return ApiResult.Fail(
            StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, asked.Length == 0 ? Describe(silent) : $"{none}; {Describe(silent)}");
    }

    private static string Describe(SilentNode[] silent) => string.Join("; ", silent.Select(s => $"{s.Node} was asked and did not answer: {s.Reason}"));
}
