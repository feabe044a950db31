using System.Net;
using System.Net.Sockets;

namespace ActorLb.Balancing.Discovery;

/// <summary>How names become addresses; replaced in tests.</summary>
/// <param name="Host">Addresses of a host name; throws <see cref="SocketException"/> when it has none.</param>
/// <param name="Srv">SRV records of a name; throws <see cref="IOException"/> when it has none.</param>
internal sealed record NameResolution(
    Func<string, CancellationToken, Task<IPAddress[]>> Host,
    Func<string, CancellationToken, Task<IReadOnlyList<SrvRecord>>> Srv)
{
    public static NameResolution OfSystem(TimeProvider time) =>
        // The system's resolver cannot be interrupted: the wait can.
        new((host, token) => Dns.GetHostAddressesAsync(host, token).WaitAsync(token), SrvClient.OfSystem(time).ResolveAsync);

    /// <summary>
    /// One family of a name's addresses, sorted: IPv4 where there is any. A broker rarely listens on both, and "localhost" has both. Of a
    /// backend's own name no more than <see cref="DiscoveryMerge.MaxTargets"/> are used.
    /// </summary>
    public static IPAddress[] Preferred(IPAddress[] addresses)
    {
        bool hasV4 = Array.Exists(addresses, a => a.AddressFamily == AddressFamily.InterNetwork);
        return [.. addresses
            .Where(a => a.AddressFamily == (hasV4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6))
            .Distinct()
            .OrderBy(a => Convert.ToHexString(a.GetAddressBytes()), StringComparer.Ordinal)];
    }
}
