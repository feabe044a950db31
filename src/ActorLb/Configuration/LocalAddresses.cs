using System.Net;
using System.Net.NetworkInformation;

namespace ActorLb.Configuration;

/// <summary>The addresses of this machine's interfaces.</summary>
internal static class LocalAddresses
{
    public static IEnumerable<IPAddress> All() =>
        NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address);

    /// <summary>Whether traffic to an address comes back to this machine.</summary>
    public static bool Has(IPAddress address) => IPAddress.IsLoopback(address) || All().Contains(address);
}
