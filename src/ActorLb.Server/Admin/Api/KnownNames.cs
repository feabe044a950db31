using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Protocol.CommandLine;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Api;

/// <summary>Looks up the names in a request; the error for an unknown name lists the known ones.</summary>
internal sealed class KnownNames(Node node)
{
    /// <summary>Most names listed in one error.</summary>
    private const int Most = 20;

    public ApiResult? FindPool(string name, out UpstreamPool pool)
    {
        pool = node.Pools.FirstOrDefault(p => p.Name == name)!;
        return pool is null ? Unknown("pool", name, node.Pools.Select(p => p.Name)) : null;
    }

    public ApiResult? FindListener(string name, out Listener listener)
    {
        listener = node.Listeners.FirstOrDefault(l => l.Name == name)!;
        return listener is null ? Unknown("listener", name, node.Listeners.Select(l => l.Name)) : null;
    }

    /// <summary>The backend of the route, in the pool of the query, which may be omitted when only one pool has the backend.</summary>
    public ApiResult? FindBackend(HttpContext context, out UpstreamPool pool, out Backend backend) =>
        FindBackend(ApiRequest.Route(context, "backend"), ApiRequest.Query(context, "pool"), node.Pools, out pool, out backend);

    public static ApiResult? FindBackend(string id, string? inPool, IEnumerable<UpstreamPool> pools, out UpstreamPool pool, out Backend backend)
    {
        UpstreamPool[] known = [.. pools];
        pool = null!;
        backend = null!;
        if (inPool is not null && !known.Any(p => p.Name == inPool)) return Unknown("pool", inPool, known.Select(p => p.Name));
        UpstreamPool[] searched = [.. known.Where(p => inPool is null || p.Name == inPool)];
        UpstreamPool[] having = [.. searched.Where(p => p.Pool.Snapshot.Find(id) is not null)];
        if (having.Length > 1)
        {
            return ApiResult.Refused($"backend '{id}' is in several pools; name one: {List(having.Select(p => $"{p.Name}/{id}").Order(StringComparer.Ordinal))}");
        }
        if (having.Length == 0) return Unknown("backend", id, searched.SelectMany(p => p.Pool.Snapshot.Backends.ToArray().Select(b => b.Id)));
        pool = having[0];
        backend = pool.Pool.Snapshot.Find(id)!;
        return null;
    }

    /// <summary>The sticky pools: one of them, or all.</summary>
    public ApiResult? FindSticky(string? name, out UpstreamPool[] pools)
    {
        pools = [.. node.Pools.Where(p => p.Pool.Snapshot.IsSticky).OrderBy(p => p.Name, StringComparer.Ordinal)];
        if (pools.Length == 0) return ApiResult.Refused("no pool has balance = sticky");
        if (name is null) return null;
        var all = pools;
        pools = [.. all.Where(p => p.Name == name)];
        return pools.Length == 1 ? null : Unknown("sticky pool", name, all.Select(p => p.Name));
    }

    private static ApiResult Unknown(string what, string name, IEnumerable<string> known)
    {
        string[] names = [.. known.Distinct().Order(StringComparer.Ordinal)];
        string nearest = NearestName.Find(name, names) is { } meant ? $"; did you mean '{meant}'?" : ".";
        return ApiResult.Unknown(names.Length == 0
            ? $"no {what} '{name}': there is none"
            : $"no {what} '{name}'{nearest} Known: {List(names)}");
    }

    private static string List(IEnumerable<string> names)
    {
        string[] all = [.. names];
        return string.Join(", ", all.Take(Most)) + (all.Length > Most ? $" and {all.Length - Most} more" : "");
    }
}
