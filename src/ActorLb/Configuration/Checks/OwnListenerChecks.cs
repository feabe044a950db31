using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Checks;

/// <summary>Backends that are the node itself: each client of theirs would come back as another one, until all places are gone.</summary>
internal static class OwnListenerChecks
{
    /// <param name="root">The block <c>actorlb</c>.</param>
    /// <param name="binds">What the node binds, and the key that says so.</param>
    public static void Check(Section root, IReadOnlyDictionary<IPEndPoint, string> binds)
    {
        foreach ((string _, SourcePosition _, Section pool) in root.Named("pools"))
        {
            if (BackendReader.AsDiscovery(pool.Get("backends")) is not null) continue;
            foreach ((string path, HoconValue element) in pool.Elements("backends") ?? [])
            {
                HoconScalar? scalar = element as HoconScalar ?? (element as HoconObject)?.Find("address")?.Value as HoconScalar;
                if (scalar is null || !AddressText.TryHost(scalar.Text, out DnsEndPoint backend, out _) || Own(backend, binds) is not { } own) continue;
                root.Report.Error(
                    scalar, ReferenceEquals(scalar, element) ? path : HoconPath.Child(path, "address"),
                    $"is this node itself ({own}): each of its clients would come back to it as another one");
            }
        }
    }

    /// <summary>As for an address; names are not asked for, but for localhost.</summary>
    public static string? Own(DnsEndPoint backend, IEnumerable<KeyValuePair<IPEndPoint, string>> binds)
    {
        IPAddress? address = backend.Host == "localhost" ? IPAddress.Loopback : IPAddress.TryParse(backend.Host.Trim('[', ']'), out IPAddress? literal) ? literal : null;
        return address is null ? null : Own(new IPEndPoint(address, backend.Port), binds);
    }

    /// <summary>What takes connections to an address on this machine: the value of one of the binds; null when none does.</summary>
    public static string? Own(IPEndPoint backend, IEnumerable<KeyValuePair<IPEndPoint, string>> binds)
    {
        IPAddress address = backend.Address.IsIPv4MappedToIPv6 ? backend.Address.MapToIPv4() : backend.Address;
        // Who connects to "any address" is connected to this machine.
        if (address.Equals(IPAddress.Any)) address = IPAddress.Loopback;
        else if (address.Equals(IPAddress.IPv6Any)) address = IPAddress.IPv6Loopback;
        foreach ((IPEndPoint bind, string key) in binds)
        {
            if (bind.Port == backend.Port && (bind.Address.Equals(address) || (Takes(bind.Address, address) && LocalAddresses.Has(address)))) return key;
        }
        return null;
    }

    /// <summary>[::] takes IPv4 clients too.</summary>
    private static bool Takes(IPAddress bind, IPAddress address) =>
        bind.Equals(IPAddress.IPv6Any) || (bind.Equals(IPAddress.Any) && address.AddressFamily == AddressFamily.InterNetwork);
}
