using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;

namespace ActorLb.Fleet.Membership;

/// <param name="Targets">Addresses as host:port, without those of this node, with the seed's own text where it is a name.</param>
internal sealed record ResolvedSeeds(ImmutableArray<SeedTarget> Targets, int Unresolved, bool HasSelf);

/// <param name="Address">One address of a seed, as host:port.</param>
/// <param name="Name">The seed as it is written, where that is a name: a node may go by it alone.</param>
internal readonly record struct SeedTarget(string Address, string? Name);

/// <summary>The configured seeds as addresses, resolved again at every call.</summary>
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
            foreach (SeedTarget target in results[i])
            {
                if (own.Contains(target.Address)) hasSelf = true;
                else targets.TryAdd(target.Address, target);
            }
        }
        return new ResolvedSeeds([.. targets.Values], unresolved, hasSelf);
    }

    public static string Text(IPAddress address, int port) => new IPEndPoint(address, port).ToString();

    /// <summary>Addresses by which others may know a node that is bound to an address and port.</summary>
    public static IEnumerable<IPAddress> AddressesOf(IPAddress bind)
    {
        if (!FleetConfig.IsAny(bind)) return [bind];
        return LocalAddresses.All().Where(a => a.AddressFamily == bind.AddressFamily && !a.IsIPv6LinkLocal);
    }

    private async Task<SeedTarget[]> ResolveAsync(DnsEndPoint seed, CancellationToken cancel)
    {
        if (IPAddress.TryParse(seed.Host, out IPAddress? literal)) return [new SeedTarget(Text(literal, seed.Port), null)];
        string name = $"{seed.Host}:{seed.Port}";
        // By its name it is this node, whatever the name means elsewhere.
        if (own.Contains(name)) return [new SeedTarget(name, null)];
        try
        {
            IPAddress[] addresses = await Dns.GetHostAddressesAsync(seed.Host, family, cancel).ConfigureAwait(false);
            return [.. addresses.Select(a => new SeedTarget(Text(a, seed.Port), name))];
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ArgumentException)
        {
            return [];
        }
    }
}
