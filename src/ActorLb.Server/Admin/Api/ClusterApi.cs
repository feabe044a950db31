using System.Text.Json;
using ActorLb.Configuration.Effective;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The groups <c>cluster</c> and <c>cluster-sharding</c>.</summary>
/// <param name="stopping">Ends the event streams when the endpoint stops.</param>
internal sealed class ClusterApi(Node node, TimeProvider time, CancellationToken stopping)
{
    /// <summary>After this long without events an empty line is sent, so that a broken connection is noticed.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    public const string EventsPath = "cluster/events";

    public void Map(ApiRoutes routes)
    {
        routes.Get("cluster", ShowAsync);
        routes.Get("cluster/status", async c => ApiResult.Of(await node.Fleet.StatusAsync(c.RequestAborted), AdminJson.Wire.ClusterStatus));
        routes.Post("cluster/leave", LeaveAsync);
        routes.Post("cluster/down", DownAsync);
        routes.Stream(EventsPath, StreamAsync);
        routes.Get("cluster-sharding/regions", async c => ApiResult.Of(await node.Fleet.RegionsAsync(c.RequestAborted), AdminJson.Wire.ShardRegions));
        routes.Get("cluster-sharding/shards", ShardsAsync);
        routes.Get("cluster-sharding/stats", async c => ApiResult.Of(await node.Fleet.ShardingAsync(c.RequestAborted), AdminJson.Wire.ShardingStats));
        routes.Post("cluster-sharding/rebalance", RebalanceAsync);
    }

    private async Task<ApiResult> ShowAsync(HttpContext context)
    {
        var members = await node.Fleet.MembersAsync(context.RequestAborted);
        return ApiResult.Of(members with { Members = [.. members.Members.Select(m => WithConfiguration(node, m))] }, AdminJson.Wire.ClusterMembers);
    }

    internal static ClusterMember WithConfiguration(Node node, ClusterMember member)
    {
        if (member.Self) return member with { ConfigurationHash = node.Fingerprint.Hash };
        return node.Member?.Spread.Configurations.Known.TryGetValue(member.Name, out var other) == true
            ? member with { ConfigurationHash = other.Hash, Differences = ConfigurationFingerprint.Differences(node.Fingerprint.Parts, other.Parts) }
            : member;
    }

    private async Task<ApiResult> LeaveAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(
            context, AdminJson.Requests.ClusterNodeRequest, new ClusterNodeRequest());
        if (problem is { } bad) return bad;
        var refusal = await node.Fleet.LeaveAsync(request!.Node, context.RequestAborted);
        return refusal is null ? ApiResult.Done($"{request.Node ?? node.Options.Node.Name} is leaving") : ApiResult.Of(refusal);
    }

    private async Task<ApiResult> DownAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.ClusterNodeRequest);
        if (problem is { } bad) return bad;
        if (request!.Node is not { Length: > 0 } name) return ApiResult.Invalid("node: the name of the node to remove is required");
        var refusal = await node.Fleet.DownAsync(name, context.RequestAborted);
        return refusal is null ? ApiResult.Done($"{name} is being removed") : ApiResult.Of(refusal);
    }

    private async Task<ApiResult> ShardsAsync(HttpContext context)
    {
        string? holder = ApiRequest.Query(context, "node");
        if (await node.Fleet.ShardsAsync(holder, context.RequestAborted) is { } shards) return ApiResult.Of(shards, AdminJson.Wire.ShardList);
        var known = await node.Fleet.MembersAsync(context.RequestAborted);
        return ApiResult.Of(FleetRefusals.NoNode(holder!, known.Members.Select(m => m.Name)));
    }

    private async Task<ApiResult> RebalanceAsync(HttpContext context)
    {
        (var refusal, int moving) = await node.Fleet.RebalanceAsync(context.RequestAborted);
        return refusal is null ? ApiResult.Done($"{moving} shards are being handed over") : ApiResult.Of(refusal);
    }

    /// <summary>
    /// One JSON object per line: first the latest <c>last</c> ones, then new ones as they happen, until the reader disconnects; no new ones
    /// with <c>follow=false</c>.
    /// </summary>
    private async Task StreamAsync(HttpContext context)
    {
        if (ApiRequest.TryNumber(context, "last", 1, EventFeed.Kept, out int last) is { } bad)
        {
            await bad.WriteAsync(context);
            return;
        }
        if (ApiRequest.Query(context, "last") is null) last = 0;
        using var watch = node.Events.TryWatch(last);
        if (watch is null)
        {
            await ApiResult.Refused($"{EventFeed.MaxWatchers} clients are already watching").WriteAsync(context);
            return;
        }
        context.Response.ContentType = "application/x-ndjson";
        context.Response.Headers.CacheControl = "no-store";
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            await context.Response.Body.FlushAsync(ended.Token);
            if (ApiRequest.Query(context, "follow") == "false")
            {
                if (watch.Events.TryPeek(out _)) await WriteAsync(context, watch, ended.Token);
                return;
            }
            while (!ended.IsCancellationRequested)
            {
                await WriteAsync(context, watch, ended.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The reader has disconnected, or the endpoint is stopping.
        }
    }

    private async Task WriteAsync(HttpContext context, EventFeed.Watch watch, CancellationToken ended)
    {
        try
        {
            await watch.Events.WaitToReadAsync(ended).AsTask().WaitAsync(Silence, time, ended);
        }
        catch (TimeoutException)
        {
            await context.Response.Body.WriteAsync("\n"u8.ToArray(), ended);
        }
        while (watch.Events.TryRead(out var made))
        {
            await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(made, AdminJson.Wire.NodeEvent), ended);
            await context.Response.Body.WriteAsync("\n"u8.ToArray(), ended);
        }
        await context.Response.Body.FlushAsync(ended);
    }
}
