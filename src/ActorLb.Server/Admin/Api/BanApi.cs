using System.Text;
using ActorLb.Fleet.Spread;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Proxying.Limits;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>The group <c>ban</c>: clients that may not connect to any node of the fleet.</summary>
internal sealed class BanApi(Node node, AuditLog audit, TimeProvider time)
{
    /// <summary>Ten years; for longer there are permanent bans.</summary>
    private const double Longest = 3650 * 86_400.0;

    public void Map(ApiRoutes routes)
    {
        routes.Get("bans", _ => Task.FromResult(ApiResult.Of(new BanPage([.. node.Bans.All().Select(Describe)]), AdminJson.Wire.BanPage)));
        routes.Post("bans", AddAsync);
        routes.Delete("bans", RemoveAsync);
    }

    private async Task<ApiResult> AddAsync(HttpContext context)
    {
        (var request, var problem) = await ApiRequest.ReadAsync(context, AdminJson.Requests.BanRequest);
        if (problem is { } unreadable) return unreadable;
        if (TrySubject(request!.ClientId, request.Username, request.Address, out var kind, out string subject) is { } bad) return bad;
        if (request.Seconds is { } seconds && seconds is not (> 0 and <= Longest)) return ApiResult.Invalid($"seconds: {seconds} is not between 0 and {Longest:0}");
        if (request.Reason is { Length: > BanOrders.LongestReason }) return ApiResult.Invalid($"reason: longer than {BanOrders.LongestReason} characters");
        // Whole milliseconds, as they are stored.
        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var ban = new Ban(
            kind, subject, now, request.Seconds is { } left ? now.AddMilliseconds(Math.Ceiling(left * 1000)) : null,
            $"{audit.Who(context)} on {node.Options.Node.Name}", request.Reason ?? "");
        var outcome = await node.Bans.AddAsync(ban);
        if (outcome.Refused is { } refused) return ApiResult.Refused(refused);
        node.Events.Publish("ban_added", $"{BanOrders.WordOf(kind)} {subject}{(request.Seconds is { } s ? $" for {s:0.###} s" : "")}");
        string where = outcome.Pending is { } pending ? $"on this node only so far: {pending}" : "on all nodes";
        return ApiResult.Of(Describe(ban), AdminJson.Wire.BanInfo) with { Detail = where };
    }

    private async Task<ApiResult> RemoveAsync(HttpContext context)
    {
        if (TrySubject(
            ApiRequest.Query(context, "client"), ApiRequest.Query(context, "username"), ApiRequest.Query(context, "address"), out var kind, out string subject) is { } bad)
        {
            return bad;
        }

        if (await node.Bans.RemoveAsync(kind, subject) is not { } outcome) return ApiResult.Unknown($"there is no ban of {BanOrders.WordOf(kind)} {subject}");
        if (outcome.Refused is { } refused) return ApiResult.Refused(refused);
        node.Events.Publish("ban_removed", $"{BanOrders.WordOf(kind)} {subject}");
        return ApiResult.Done($"{BanOrders.WordOf(kind)} {subject} may connect again{(outcome.Pending is { } pending ? $" on this node; {pending}" : "")}");
    }

    private static ApiResult? TrySubject(string? clientId, string? userName, string? address, out BanKind kind, out string subject)
    {
        kind = clientId is not null ? BanKind.ClientId : userName is not null ? BanKind.UserName : BanKind.Address;
        subject = clientId ?? userName ?? address ?? "";
        int given = (clientId is null ? 0 : 1) + (userName is null ? 0 : 1) + (address is null ? 0 : 1);
        if (given != 1 || subject.Length == 0) return ApiResult.Invalid("exactly one client id, user name or address is required, and it must not be empty");
        if (kind == BanKind.Address)
        {
            if (BanOrders.Network(subject, out string problem) is not { } network) return ApiResult.Invalid($"address: {problem}");
            subject = network;
            return null;
        }
        if (Encoding.UTF8.GetByteCount(subject) > BanOrders.LongestSubject)
            return ApiResult.Invalid($"{BanOrders.WordOf(kind)}: longer than {BanOrders.LongestSubject} bytes; ban the address, or the {(kind == BanKind.ClientId ? "user name" : "client id")}");
        return subject.Contains('\0', StringComparison.Ordinal) || subject.Any(char.IsSurrogate) && !IsPaired(subject)
            ? ApiResult.Invalid($"{BanOrders.WordOf(kind)}: contains characters that a CONNECT cannot contain (U+0000 or half a surrogate pair)") : null;
    }

    private static bool IsPaired(string text) => text == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private BanInfo Describe(Ban ban) => new(
        BanOrders.WordOf(ban.Kind), ban.Subject, ban.Reason.Length == 0 ? null : ban.Reason, ban.By, ban.Added, ban.Expires,
        ban.Expires is { } end ? Math.Max(0, (end - time.GetUtcNow()).TotalSeconds) : null, node.Bans.IsLocal(ban));
}
