using ActorLb.Configuration;
using ActorLb.Configuration.Effective;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying.Reactors;
using ActorLb.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The groups <c>node</c>, <c>config</c> and <c>listener</c>: this process and its configuration.</summary>
internal sealed class NodeApi(Node node, NodeControl control, KnownNames names, TimeProvider time)
{
    /// <summary>A drain longer than a day is probably a mistake.</summary>
    private static readonly TimeSpan LongestDrain = TimeSpan.FromDays(1);

    /// <summary>Maximum number of configurations checked at the same time: each may be large, and may name files that are slow to
    /// read.</summary>
    private readonly SemaphoreSlim _checks = new(4, 4);

    public void Map(ApiRoutes routes)
    {
        routes.Get("node", _ => Task.FromResult(Info()));
        routes.Post("node/drain", DrainAsync);
        routes.Post("node/resume", ResumeAsync);
        routes.Put("node/log-level", SetLogLevelAsync);
        routes.Get("config", _ => Task.FromResult(ApiResult.Of(
            new ConfigText(control.Path, EffectiveConfiguration.Render(node.RunningOptions)), AdminJson.Wire.ConfigText)));
        routes.Get("config/certificates", _ => CertificatesAsync());
        routes.Ask("config/check", CheckAsync);
        routes.Post("config/reload", ReloadAsync);
        routes.Get("listeners", _ => Task.FromResult(Listeners()));
        routes.Post("listeners/{listener}/pause", context => PauseAsync(context, paused: true));
        routes.Post("listeners/{listener}/resume", context => PauseAsync(context, paused: false));
    }

    private ApiResult Info()
    {
        string state = node.IsDraining ? "draining" : node.IsReady ? "ready" : "starting";
        long accepted = node.Reactors.Sum(r => Volatile.Read(ref r.Counters.Accepted));
        return ApiResult.Of(
            new NodeInfo(
                node.Options.Node.Name, Program.Version, Environment.ProcessId, state, node.StartedAt,
                (time.GetUtcNow() - node.StartedAt).TotalSeconds, node.Reactors.Count, node.Admission.Active, node.Capacity, accepted,
                ConfigurationNames.NameOf(ConfigurationNames.LogLevel, control.Level), control.Path, node.Options.Cluster.Name)
            {
                ConfigurationHash = node.Fingerprint.Hash,
                LastReload = control.LastReload is { } last
                    ? new ReloadInfo(
                        last.At, last.Report.Accepted ? "applied" : "rejected", last.Report.Messages)
                    : null,
            },
            AdminJson.Wire.NodeInfo);
    }

    private async Task<ApiResult> DrainAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.NodeDrainRequest, new NodeDrainRequest());
        if (problem is { } bad) return bad;
        if (request!.Seconds is { } seconds && !(seconds >= 0 && seconds <= LongestDrain.TotalSeconds))
        {
            return ApiResult.Invalid($"seconds: {seconds} is not between 0 and {LongestDrain.TotalSeconds}");
        }
        if (node.IsDraining) return ApiResult.Refused($"{node.Options.Node.Name} is already draining; {node.Admission.Active} connections are left");
        var within = request.Seconds is { } given ? TimeSpan.FromSeconds(given) : node.Options.Node.DrainTimeout;
        int open = node.Admission.Active;
        // The control keeps the task, and the process waits for it before it exits.
        _ = control.DrainAsync(within);
        return ApiResult.Of(
            new Protocol.Admin.NodeDrain(node.Options.Node.Name, open, within.TotalSeconds), AdminJson.Wire.NodeDrain, StatusCodes.Status202Accepted);
    }

    private async Task<ApiResult> ResumeAsync(HttpContext context) => await control.ResumeAsync() switch
    {
        ({ } refusal, _) => ApiResult.Of(refusal),
        (null, var stayed) => ApiResult.Done($"{node.Options.Node.Name} accepts clients again; {stayed} connections stayed open"),
    };

    private async Task<ApiResult> SetLogLevelAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.NodeLogLevel);
        if (problem is { } bad) return bad;
        if (!ConfigurationNames.TryFind(ConfigurationNames.LogLevel, request!.Level, out var level))
        {
            return ApiResult.Invalid($"level: '{request.Level}' is not one of {ConfigurationNames.List(ConfigurationNames.LogLevel)}");
        }
        control.Level = level;
        return ApiResult.Of(new NodeLogLevel(ConfigurationNames.NameOf(ConfigurationNames.LogLevel, level)), AdminJson.Wire.NodeLogLevel);
    }

    /// <summary>The body is the text; <c>file</c> is the name used in positions and the base of relative names.</summary>
    private async Task<ApiResult> CheckAsync(HttpContext context)
    {
        if (!_checks.Wait(0, CancellationToken.None))
        {
            return ApiResult.Fail(StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, "the node is checking other configurations; try again");
        }
        try
        {
            using var reader = new StreamReader(context.Request.Body);
            string text = await reader.ReadToEndAsync(context.RequestAborted);
            string file = ApiRequest.Query(context, "file") ?? control.Path;
            return Checked(await FileReading.RunAsync(() => MachineChecks.Check(NamedFiles.Check(ConfigurationLoader.LoadText(text, file))), context.RequestAborted));
        }
        catch (IOException e) when (e is not BadHttpRequestException && !context.RequestAborted.IsCancellationRequested)
        {
            return ApiResult.Refused(e.Message);
        }
        finally
        {
            _checks.Release();
        }
    }

    private async Task<ApiResult> CertificatesAsync() => ApiResult.Of(
        await FileReading.RunAsync(() => NodeCertificates.List(node, control.Admin, time.GetUtcNow())), AdminJson.Wire.CertificateList);

    private static ApiResult Checked(ConfigurationResult result)
    {
        string[] errors = [.. result.Errors.Select(e => e.ToString())];
        return ApiResult.Of(
            new ConfigCheck(
                errors.Length == 0, result.Options?.Listeners.Count ?? 0, result.Options?.Pools.Count ?? 0, errors,
                [.. result.Warnings.Select(w => w.ToString())]),
            AdminJson.Wire.ConfigCheck);
    }

    private async Task<ApiResult> ReloadAsync(HttpContext context)
    {
        var report = await control.ReloadAsync();
        return report.Accepted
            ? ApiResult.Of(new ConfigReload(control.Path, report.Messages), AdminJson.Wire.ConfigReload)
            : ApiResult.Refused($"{control.Path} was rejected, the old configuration stays in force\n{string.Join('\n', report.Messages)}");
    }

    private ApiResult Listeners() => ApiResult.Of(
        new ListenerList(node.Options.Node.Name, [.. node.Listeners.OrderBy(l => l.Name, StringComparer.Ordinal).Select(l => Describe(node, l))]),
        AdminJson.Wire.ListenerList);

    private async Task<ApiResult> PauseAsync(HttpContext context, bool paused)
    {
        if (names.FindListener(ApiRequest.Route(context, "listener"), out var listener) is { } unknown) return unknown;
        if (await control.PauseAsync(listener.Name, paused) is { } refusal) return ApiResult.Of(refusal);
        return ApiResult.Of(Describe(node, listener), AdminJson.Wire.ListenerInfo);
    }

    internal static ListenerInfo Describe(Node node, Listener listener)
    {
        var options = listener.Current.Options;
        return new ListenerInfo(
            listener.Name, (listener.BoundTo ?? options.Bind).ToString(), Node.KindOf(options), options.Pool, listener.Active,
            options.MaxConnections, listener.Paused ? "paused" : node.IsDraining ? "closed" : "open");
    }
}
