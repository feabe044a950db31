using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;

namespace ActorLb.Fleet.Membership;

/// <param name="Targets">Addresses without this node's own.</param>
internal sealed record ResolvedSeeds(ImmutableArray<SeedTarget> Targets, int Unresolved, bool HasSelf);

/// <param name="Address">One address of a seed, as host:port.</param>
/// <param name="Name">The seed as configured if it is a name, because a node may accept only that.</param>
internal readonly record struct SeedTarget(string Address, string? Name);

/// <summary>The addresses of the configured seeds, resolved at every call.</summary>
internal sealed class SeedAddresses(ImmutableArray<DnsEndPoint> seeds, AddressFamily family, IReadOnlySet<string> own)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public bool HasNames { get; } = seeds.Any(s => !IPAddress.TryParse(s.Host, out _));

    public async Task<ResolvedSeeds> ResolveAsync(CancellationToken cancel)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bounded.CancelAfter(Patience);
        var results = await Task.WhenAll(seeds.Select(s => ResolveAsync(s, bounded.Token))).ConfigureAwait(false);
        var targets = new Dictionary<string, SeedTarget>(StringComparer.Ordinal);
        bool hasSelf = false;
        int unresolved = 0;
        for (int i = 0; i < results.Length; i++)
        {
            if (results[i].Length == 0) unresolved++;
            foreach (var target in results[i])
            {
                if (own.Contains(target.Address)) hasSelf = true;
                else targets.TryAdd(target.Address, target);
            }
        }
        return new ResolvedSeeds([.. targets.Values], unresolved, hasSelf);
    }

    public static string Text(IPAddress address, int port) => new IPEndPoint(address, port).ToString();

    /// <summary>The addresses by which others may reach a node bound to <paramref name="bind"/>.</summary>
    public static IEnumerable<IPAddress> AddressesOf(IPAddress bind)
    {
        if (!FleetConfig.IsAny(bind)) return [bind];
        return LocalAddresses.All().Where(a => a.AddressFamily == bind.AddressFamily && !a.IsIPv6LinkLocal);
    }

    private async Task<SeedTarget[]> ResolveAsync(DnsEndPoint seed, CancellationToken cancel)
    {
        if (IPAddress.TryParse(seed.Host, out var literal)) return [new SeedTarget(Text(literal, seed.Port), null)];
        string name = $"{seed.Host}:{seed.Port}";
        // The name is this node's own, whatever it resolves to elsewhere.
        if (own.Contains(name)) return [new SeedTarget(name, null)];
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(seed.Host, family, cancel).ConfigureAwait(false);
            return [.. addresses.Select(a => new SeedTarget(Text(a, seed.Port), name))];
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ArgumentException)
        {
            return [];
        }
    }
}
