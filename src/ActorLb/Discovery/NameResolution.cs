using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;

namespace ActorLb.Discovery;

/// <summary>How names are resolved; replaced in tests.</summary>
/// <param name="Host">Addresses of a host name; throws <see cref="SocketException"/> or <see cref="IOException"/> when it has none.</param>
/// <param name="Srv">SRV records of a name; throws <see cref="IOException"/> when it has none.</param>
internal sealed record NameResolution(
    Func<string, CancellationToken, Task<IPAddress[]>> Host,
    Func<string, CancellationToken, Task<IReadOnlyList<SrvRecord>>> Srv)
{
    private const string HostsFile = "/etc/hosts", ResolverFile = "/etc/resolv.conf";

    /// <summary>By the machine's files, read again for each query because they may change: hosts(5), then the servers of
    /// resolv.conf(5).</summary>
    public static NameResolution OfSystem()
    {
        var names = new DnsNames(static () => ResolverSettings.Parse(Read(ResolverFile)));
        return new NameResolution((host, token) => FindAsync(names, host, token), names.ServicesAsync);
    }

    /// <summary>
    /// One family of a name's addresses, sorted: IPv4 if there is any. A broker rarely listens on both, and "localhost" has both. For
    /// a backend's name no more than <see cref="DiscoveryMerge.MaxTargets"/> are used.
    /// </summary>
    public static IPAddress[] Preferred(IPAddress[] addresses)
    {
        bool hasV4 = Array.Exists(addresses, a => a.AddressFamily == AddressFamily.InterNetwork);
        return [.. addresses
            .Where(a => a.AddressFamily == (hasV4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6))
            .Distinct()
            .OrderBy(a => Convert.ToHexString(a.GetAddressBytes()), StringComparer.Ordinal)];
    }

    /// <summary>The addresses that a file of hosts(5) gives the name.</summary>
    internal static IPAddress[] InHosts(string text, string name)
    {
        var found = new List<IPAddress>();
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split('#')[0].Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words.Skip(1).Contains(name.TrimEnd('.'), StringComparer.OrdinalIgnoreCase)
                && IPAddress.TryParse(words[0], out var address))
            {
                found.Add(address);
            }
        }
        return [.. found];
    }

    /// <summary>
    /// Only the system's resolver knows the machine's other sources of names (other services, mDNS, its own name). It is asked last,
    /// when DNS has no answer: it cannot be cancelled, although the wait for it can.
    /// </summary>
    private static async Task<IPAddress[]> FindAsync(DnsNames names, string host, CancellationToken cancel)
    {
        if (IPAddress.TryParse(host, out var literal)) return [literal];
        if (InHosts(Read(HostsFile), host) is { Length: > 0 } listed) return listed;
        // Only Unix systems say in a file which servers they use.
        if (!File.Exists(ResolverFile)) return await Dns.GetHostAddressesAsync(host, cancel).WaitAsync(cancel).ConfigureAwait(false);
        IOException? unanswered = null;
        try
        {
            if (await names.AddressesAsync(host, cancel).ConfigureAwait(false) is { Length: > 0 } found) return found;
        }
        catch (IOException e)
        {
            unanswered = e;
        }
        try
        {
            return await Dns.GetHostAddressesAsync(host, cancel).WaitAsync(cancel).ConfigureAwait(false);
        }
        catch (SocketException) when (unanswered is not null)
        {
            throw unanswered;
        }
    }

    private static string Read(string file)
    {
        try
        {
            return InputFile.ReadText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
