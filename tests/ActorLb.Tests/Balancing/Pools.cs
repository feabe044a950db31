using System.Collections.Immutable;
using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Balancing;

/// <summary>Options and pools for tests: everything that a test does not name is the plainest.</summary>
internal static class Pools
{
    public static BackendOptions Backend(
        string host, int weight = 1, int maxFails = 1, int failTimeout = 10, int maxConnections = 0, int slowStart = 0, bool down = false,
        bool backup = false, int port = 1883) =>
        new(new DnsEndPoint(host, port), weight, maxFails, TimeSpan.FromSeconds(failTimeout), maxConnections,
            TimeSpan.FromSeconds(slowStart), down, backup);

    public static readonly HealthOptions NoHealth =
        new(ProbeKind.None, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), Rise: 2, Fall: 3, Path: "/", Port: 0);

    public static PoolOptions Options(BalanceKind balance, params BackendOptions[] backends) => new(
        "emqx", balance, Template.TryParse("$mqtt_preread_clientid", out var key, out _) ? key! : throw new InvalidOperationException(),
        BalanceKind.LeastConnections, [.. backends], Discovery: null, TimeSpan.FromSeconds(10), ProxyProtocolVersion.Off, ProxyTlvs.None,
        ImmutableArray<SourceAddressOptions>.Empty, WebSocketPath: null, Tls: null, NoHealth,
        new RetryOptions(3, TimeSpan.FromSeconds(10)), 65536, new TcpOptions(NoDelay: true, TimeSpan.Zero, TimeSpan.Zero));

    /// <summary>Backends 10.0.0.1, 10.0.0.2, ... of these weights.</summary>
    public static Pool OfWeights(BalanceKind balance, params int[] weights) =>
        Of(balance, [.. weights.Select((w, i) => Backend($"10.0.0.{i + 1}", w))]);

    public static Pool Of(BalanceKind balance, params BackendOptions[] backends) => new(Options(balance, backends), new FakeTimeProvider());

    public static Backend? Pick(this Pool pool, ulong hash = 0, long now = 0, bool newClient = true, params Backend[] tried) =>
        pool.Pick(new PickContext(pool.Snapshot, hash, hash, now, tried, newClient));

    /// <summary>The last digits of the picked addresses, "-" for none.</summary>
    public static string Sequence(this Pool pool, int count, long now = 0) => string.Concat(Enumerable.Range(0, count).Select(
        i => pool.Pick(KeyHash.Mix((ulong)i), now) is { } b ? b.Address.Host[^1..] : "-"));

    public static int[] Spread(this Pool pool, int count, long now = 0)
    {
        Dictionary<Backend, int> counts = [];
        for (int i = 0; i < count; i++)
        {
            var picked = pool.Pick(KeyHash.Mix((ulong)i), now)!;
            counts[picked] = counts.GetValueOrDefault(picked) + 1;
        }

        return [.. pool.Snapshot.Backends.ToArray().Select(b => counts.GetValueOrDefault(b))];
    }
}
