using System.Globalization;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying.Routing;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The group <c>pool</c>: backends and the operator's changes to them, on all nodes.</summary>
internal sealed class PoolApi(Node node, KnownNames names)
{
    /// <summary>The longest time a timer supports.</summary>
    private static readonly TimeSpan LongestDrain = TimeSpan.FromDays(30);

    public void Map(ApiRoutes routes)
    {
        routes.Get("pools", _ => Task.FromResult(List()));
        routes.Get("pools/{pool}", context => Task.FromResult(Show(context)));
        routes.Post("backends/{backend}/drain", DrainAsync);
        routes.Post("backends/{backend}/pause", context => SetPausedAsync(context, paused: true));
        routes.Post("backends/{backend}/resume", context => SetPausedAsync(context, paused: false));
        routes.Post("pools/{pool}/rebalance", RebalanceAsync);
        routes.Delete("pools/{pool}/rebalance", context => ChangeRebalanceAsync(context, node.Rebalances.StopAsync));
        routes.Post("pools/{pool}/rebalance/pause", context => ChangeRebalanceAsync(context, pool => node.Rebalances.SetPausedAsync(pool, paused: true)));
        routes.Post("pools/{pool}/rebalance/resume", context => ChangeRebalanceAsync(context, pool => node.Rebalances.SetPausedAsync(pool, paused: false)));
        routes.Post("backends/{backend}/down", context => SetStateAsync(context, AdminState.Down));
        routes.Post("backends/{backend}/up", context => SetStateAsync(context, AdminState.Up));
        routes.Put("backends/{backend}/weight", SetWeightAsync);
    }

    private ApiResult List() => ApiResult.Of(
        new PoolList(node.Options.Node.Name, [.. node.Pools.OrderBy(p => p.Name, StringComparer.Ordinal).Select(Summarize)]),
        AdminJson.Wire.PoolList);

    private ApiResult Show(HttpContext context)
    {
        if (names.FindPool(ApiRequest.Route(context, "pool"), out var pool) is { } unknown) return unknown;
        return Show(pool);
    }

    private ApiResult Show(UpstreamPool pool) => ApiResult.Of(
        new PoolInfo(Summarize(pool), [.. pool.Pool.Snapshot.Backends.ToArray().Select(b => Describe(node, pool, b))])
        {
            Rebalance = ClosingRecords.OfRebalance(node, pool.Pool),
        },
        AdminJson.Wire.PoolInfo);

    private async Task<ApiResult> DrainAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.BackendDrain, new BackendDrain());
        if (problem is { } bad) return bad;
        if (request!.Deadline is { } seconds && !(seconds >= 1 && seconds <= LongestDrain.TotalSeconds))
        {
            return ApiResult.Invalid($"deadline: {seconds} is not between 1 and {LongestDrain.TotalSeconds} seconds");
        }
        TimeSpan? deadline = request.Deadline is { } after ? TimeSpan.FromSeconds(after) : null;
        if (request.Rate is not { } rate) return await SetStateAsync(context, AdminState.Drain, deadline);
        if (ProblemOf(rate) is { } invalid) return invalid;
        return await ChangeAsync(context, (pool, backend) => node.Fleet.DrainAtPaceAsync(pool, backend, rate, deadline, context.RequestAborted));
    }

    private Task<ApiResult> SetPausedAsync(HttpContext context, bool paused) =>
        ChangeAsync(context, (pool, backend) => node.Fleet.SetDrainPausedAsync(pool, backend, paused, context.RequestAborted));

    private async Task<ApiResult> ChangeAsync(HttpContext context, Func<Pool, Backend, Task<Refusal?>> change)
    {
        if (names.FindBackend(context, out var pool, out var backend) is { } unknown) return unknown;
        return await change(pool.Pool, backend) is { } refusal ? ApiResult.Of(refusal) : ApiResult.Of(Describe(node, pool, backend), AdminJson.Wire.BackendInfo);
    }

    private async Task<ApiResult> RebalanceAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.PoolRebalance);
        if (problem is { } bad) return bad;
        return ProblemOf(request!.Rate) is { } invalid ? invalid : await ChangeRebalanceAsync(context, pool => node.Rebalances.BeginAsync(pool, request.Rate));
    }

    private async Task<ApiResult> ChangeRebalanceAsync(HttpContext context, Func<Pool, Task<Refusal?>> change)
    {
        if (names.FindPool(ApiRequest.Route(context, "pool"), out var pool) is { } unknown) return unknown;
        return await change(pool.Pool) is { } refusal ? ApiResult.Of(refusal) : Show(pool);
    }

    private static ApiResult? ProblemOf(double rate) => rate >= PaceRate.Least && rate <= PaceRate.Most
        ? null
        : ApiResult.Invalid(string.Create(
            CultureInfo.InvariantCulture, $"rate: {rate} is not between {PaceRate.Least} and {PaceRate.Most} sessions per second; use pause to stop closing sessions for a while"));

    private async Task<ApiResult> SetStateAsync(HttpContext context, AdminState state, TimeSpan? deadline = null)
    {
        if (names.FindBackend(context, out var pool, out var backend) is { } unknown) return unknown;
        if (await node.Fleet.SetStateAsync(pool.Pool, backend, state, deadline, context.RequestAborted) is { } refusal) return ApiResult.Of(refusal);
        if (state == AdminState.Up) backend.ForgetFailures();
        return ApiResult.Of(Describe(node, pool, backend), AdminJson.Wire.BackendInfo);
    }

    private async Task<ApiResult> SetWeightAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.BackendWeight);
        if (problem is { } bad) return bad;
        if (request!.Weight is < 1 or > ushort.MaxValue) return ApiResult.Invalid($"weight: {request.Weight} is not between 1 and {ushort.MaxValue}");
        if (names.FindBackend(context, out var pool, out var backend) is { } unknown) return unknown;
        if (await node.Fleet.SetWeightAsync(pool.Pool, backend, request.Weight, context.RequestAborted) is { } refusal) return ApiResult.Of(refusal);
        return ApiResult.Of(Describe(node, pool, backend), AdminJson.Wire.BackendInfo);
    }

    internal static PoolSummary Summarize(UpstreamPool pool)
    {
        var options = pool.Options;
        var backends = pool.Pool.Snapshot.Backends.ToArray();
        string balance = ConfigurationNames.NameOf(ConfigurationNames.Balance, options.Balance);
        if (options.Balance == BalanceKind.Sticky) balance += $", placed by {ConfigurationNames.NameOf(ConfigurationNames.Balance, options.Place)}";
        return new PoolSummary(
            pool.Name, balance, backends.Length, backends.Count(b => b.Blocks == BackendBlocks.None),
            backends.Sum(b => b.Active), backends.Sum(b => b.Load))
        { Waiting = pool.Pool.Line.Count + backends.Sum(b => b.Pace.Line.Count) };
    }

    public static BackendInfo Describe(Node node, UpstreamPool pool, Backend backend)
    {
        var history = backend.History;
        var added = backend.Options.Added ? node.Added.Find(pool.Name, backend.Id) : null;
        return Facts(pool, backend) with
        {
            Drain = ClosingRecords.OfDrain(node, pool.Pool, backend),
            Added = backend.Options.Added,
            Local = backend.IsChangeLocal || (added is not null && node.Added.IsLocal(added)),
            Since = history.Since,
            Waiting = backend.Pace.Line.Count,
            LostSince = history.LostSince,
            NextProbe = history.NextProbe,
            LastError = history.LastError is { } error ? new BackendErrorInfo(error.At, error.Text) : null,
            LastProbe = history.LastProbe is { } probe
                ? new ProbeInfo(probe.At, probe.Alive switch { true => "up", false => "down", _ => "unknown" }, probe.Took.TotalSeconds, probe.Reason)
                : null,
        };
    }

    private static BackendInfo Facts(UpstreamPool pool, Backend backend) => new(
        pool.Name, backend.Id, BackendWords.Of(backend.AdminState), BackendWords.HealthOf(backend), [.. BackendWords.Of(backend.Blocks)], backend.Weight, backend.Backup,
        backend.Active, backend.Load, backend.Options.MaxConnections, backend.Connects, backend.Failures,
        [.. backend.EndPoints.ToArray().Select(e => e.ToString())], backend.DrainLeft?.TotalSeconds, backend.IsChangeLocal);
}
