using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying.Routing;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>Backends that operators add to and remove from a pool, on all nodes.</summary>
internal sealed class PoolMembersApi(Node node, KnownNames names)
{
    public void Map(ApiRoutes routes)
    {
        routes.Post("pools/{pool}/backends", AddAsync);
        routes.Delete("backends/{backend}", RemoveAsync);
    }

    private async Task<ApiResult> AddAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.BackendAdd);
        if (problem is { } bad) return bad;
        if (!AddressText.TryHost(request!.Address, out var address, out string reason)) return ApiResult.Invalid($"address: '{request.Address}' {reason}");
        if (request.Weight is < 1 or > ushort.MaxValue) return ApiResult.Invalid($"weight: {request.Weight} is not between 1 and {ushort.MaxValue}");
        if (names.FindPool(ApiRequest.Route(context, "pool"), out var pool) is { } unknown) return unknown;
        var change = await node.Added.AddAsync(pool.Options, address, request.Weight, request.Backup, context.RequestAborted);
        if (change.Refusal is { } refusal) return ApiResult.Of(refusal);
        if (pool.Pool.Snapshot.Find(Backend.IdOf(address)) is not { } backend) return ApiResult.Refused($"backend {Backend.IdOf(address)} was removed from pool {pool.Name} again in the meantime");
        return ApiResult.Of(new BackendAdded(PoolApi.Describe(node, pool, backend)) { Silent = change.Silent }, AdminJson.Wire.BackendAdded);
    }

    private async Task<ApiResult> RemoveAsync(HttpContext context)
    {
        if (names.FindBackend(context, out var pool, out var backend) is { } unknown) return unknown;
        (var refusal, string? pending) = await node.Added.RemoveAsync(pool.Options, backend.Id, context.RequestAborted);
        return refusal is not null
            ? ApiResult.Of(refusal)
            : ApiResult.Done($"backend {backend.Id} is removed from pool {pool.Name}{(pending is null ? "" : $", on this node only for now: {pending}")}");
    }
}
