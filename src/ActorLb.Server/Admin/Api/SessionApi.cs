using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The group <c>session</c>: the connections of this node.</summary>
internal sealed class SessionApi(Node node)
{
    private const int UsualPage = 100;
    private const int LargestPage = 1000;

    public void Map(ApiRoutes routes)
    {
        routes.Get("sessions", ListAsync);
        routes.Get("sessions/count", _ => Task.FromResult(Count()));
        routes.Get("sessions/find", FindAsync);
        routes.Post("sessions/kick", KickAsync);
    }

    private async Task<ApiResult> ListAsync(HttpContext context)
    {
        if (SessionFilter.TryParse(ApiRequest.Query(context, "filter"), out string? problem) is not { } filter) return ApiResult.Invalid(problem!);
        if (ApiRequest.TryNumber(context, "limit", UsualPage, LargestPage, out int limit) is { } bad) return bad;
        string? after = ApiRequest.Query(context, "after");
        return await node.Sessions.ListAsync(filter, after, limit, context.RequestAborted) is { } page
            ? ApiResult.Of(page, AdminJson.Wire.SessionPage)
            : NoPlace(after);
    }

    private static ApiResult NoPlace(string? after) => ApiResult.Invalid($"after: '{after}' is not the 'next' of an earlier answer");

    private async Task<ApiResult> FindAsync(HttpContext context)
    {
        if (StickyApi.TryClient(context, out string clientId) is { } bad) return bad;
        string? after = ApiRequest.Query(context, "after");
        if (await node.Sessions.ListAsync(SessionFilter.OfClient(clientId), after, LargestPage, context.RequestAborted) is not { } page) return NoPlace(after);
        return page.Sessions.Length > 0
            ? ApiResult.Of(page, AdminJson.Wire.SessionPage)
            : ApiResult.Unknown($"no session of that client on node {node.Options.Node.Name}");
    }

    private async Task<ApiResult> KickAsync(HttpContext context)
    {
        if (StickyApi.TryClient(context, out string clientId) is { } bad) return bad;
        int kicked = await node.Sessions.KickAsync(clientId, context.RequestAborted);
        return kicked > 0
            ? ApiResult.Of(new SessionKick(clientId, kicked), AdminJson.Wire.SessionKick)
            : ApiResult.Unknown($"no session of that client on node {node.Options.Node.Name}");
    }

    private ApiResult Count()
    {
        int reading = 0, connecting = 0, established = 0, closing = 0;
        foreach (ReactorCounters counters in node.Reactors.Select(r => r.Counters))
        {
            reading += (int)Volatile.Read(ref counters.Reading);
            connecting += (int)Volatile.Read(ref counters.Connecting);
            established += (int)Volatile.Read(ref counters.Relaying);
            closing += (int)Volatile.Read(ref counters.Lingering);
        }
        return ApiResult.Of(
            new SessionCount(
                node.Options.Node.Name, reading + connecting + established + closing, reading, connecting, established, closing,
                [.. node.Listeners.OrderBy(l => l.Name, StringComparer.Ordinal).Select(l => new NamedCount(l.Name, l.Active))],
                [
                    .. from pool in node.Pools.OrderBy(p => p.Name, StringComparer.Ordinal)
                       from backend in pool.Pool.Snapshot.Backends.ToArray()
                       select new NamedCount($"{pool.Name}/{backend.Id}", backend.Active),
                ]),
            AdminJson.Wire.SessionCount);
    }
}
