using System.Text;
using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The group <c>sticky</c>: which broker a client belongs to. A change applies from the client's next CONNECT; open
/// connections stay.</summary>
internal sealed class StickyApi(Node node, KnownNames names)
{
    /// <summary>MQTT 5 section 1.5.4: a UTF-8 string has at most 65,535 bytes.</summary>
    private const int LongestClientId = 65_535;

    public void Map(ApiRoutes routes)
    {
        routes.Get("sticky", GetAsync);
        routes.Put("sticky", SetAsync);
        routes.Delete("sticky", ClearAsync);
        routes.Get("sticky/stats", StatsAsync);
        routes.Post("backends/{backend}/flush", FlushAsync);
    }

    /// <summary>The client id of the query, or an error response.</summary>
    public static ApiResult? TryClient(HttpContext context, out string clientId)
    {
        clientId = ApiRequest.Query(context, "client") ?? "";
        if (clientId.Length == 0) return ApiResult.Invalid("client: a client id is required, as in ?client=ID");
        return Encoding.UTF8.GetByteCount(clientId) <= LongestClientId
            ? null
            : ApiResult.Invalid($"client: longer than {LongestClientId} bytes, the limit for a client id");
    }

    private async Task<ApiResult> GetAsync(HttpContext context)
    {
        if (TryClient(context, out string clientId) is { } bad) return bad;
        if (names.FindSticky(ApiRequest.Query(context, "pool"), out var pools) is { } unknown) return unknown;
        return await EntriesAsync(clientId, pools, context.RequestAborted);
    }

    private async Task<ApiResult> SetAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.StickyBackend);
        if (problem is { } unreadable) return unreadable;
        if (TryClient(context, out string clientId) is { } bad) return bad;
        if (names.FindSticky(ApiRequest.Query(context, "pool"), out var pools) is { } unknown) return unknown;
        if (KnownNames.FindBackend(request!.Backend, null, pools, out var pool, out var backend) is { } nowhere) return nowhere;
        var reference = BackendDirectory.ReferenceOf(backend);
        if (reference.IsNone) return ApiResult.Refused($"backend {backend.Id} of pool {pool.Name} has no place in the sticky map yet; try again");
        var refusal = await node.Fleet.ImposeAsync(pool.Name, clientId, reference, context.RequestAborted);
        if (refusal is not null) return ApiResult.Of(refusal with { Reason = $"pool {pool.Name}, backend {backend.Id}: {refusal.Reason}" });
        return await EntriesAsync(clientId, [pool], context.RequestAborted);
    }

    private async Task<ApiResult> ClearAsync(HttpContext context)
    {
        if (TryClient(context, out string clientId) is { } bad) return bad;
        if (names.FindSticky(ApiRequest.Query(context, "pool"), out var pools) is { } unknown) return unknown;
        var cleared = new List<string>();
        foreach (var pool in pools)
        {
            var refusal = await node.Fleet.ImposeAsync(pool.Name, clientId, BackendRef.None, context.RequestAborted);
            if (refusal is null) cleared.Add(pool.Name);
            else if (refusal.Kind != RefusalKind.Unknown) return ApiResult.Of(refusal);
        }
        return cleared.Count > 0
            ? ApiResult.Done($"cleared in {string.Join(", ", cleared)}")
            : ApiResult.Unknown($"there is no entry for that client in {string.Join(", ", pools.Select(p => p.Name))}");
    }

    private async Task<ApiResult> FlushAsync(HttpContext context)
    {
        if (names.FindBackend(context, out var pool, out var backend) is { } unknown) return unknown;
        if (!pool.Pool.Snapshot.IsSticky) return ApiResult.Refused($"pool {pool.Name} is not sticky: it stores no clients");
        if (await node.Fleet.FlushAsync(pool.Pool, backend, context.RequestAborted) is { } refusal) return ApiResult.Of(refusal);
        node.Events.Publish("sticky_flushed", $"pool {pool.Name}, backend {backend.Id}");
        return ApiResult.Of(new StickyFlush(pool.Name, backend.Id), AdminJson.Wire.StickyFlush);
    }

    private async Task<ApiResult> StatsAsync(HttpContext context)
    {
        _ = names.FindSticky(null, out var pools);
        return ApiResult.Of(
            await node.Fleet.StickyStatsAsync([.. pools.Select(p => p.Name)], context.RequestAborted), AdminJson.Wire.StickyStats);
    }

    private async Task<ApiResult> EntriesAsync(string clientId, UpstreamPool[] pools, CancellationToken cancel)
    {
        var entries = new List<StickyEntry>();
        foreach (var pool in pools)
        {
            var found = await node.Fleet.FindAsync(pool.Name, clientId, cancel);
            if (found.Outcome == StickyOutcome.Fallback) return ApiResult.Of(FleetRefusals.OwnerSilent(found.Owner, found.Shard));
            entries.Add(new StickyEntry(clientId, pool.Name, node.Directory.Find(found.Backend)?.Id, found.Shard, found.Owner));
        }
        return ApiResult.Of(new StickyEntries([.. entries]), AdminJson.Wire.StickyEntries);
    }
}
