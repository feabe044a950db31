using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Checks;

/// <summary>Finds backends that are the node itself: each of their clients would come back as a new one, until all connections are
/// used up.</summary>
internal static class OwnListenerChecks
{
    /// <param name="root">The block <c>actorlb</c>.</param>
    /// <param name="binds">What the node binds, and the key that sets it.</param>
    public static void Check(Section root, IReadOnlyDictionary<IPEndPoint, string> binds)
    {
        foreach ((string _, var _, var pool) in root.Named("pools"))
        {
            if (BackendReader.AsDiscovery(pool.Get("backends")) is not null) continue;
            foreach ((string path, var element) in pool.Elements("backends") ?? [])
            {
                var scalar = element as HoconScalar ?? (element as HoconObject)?.Find("address")?.Value as HoconScalar;
                if (scalar is null || !AddressText.TryHost(scalar.Text, out var backend, out _) || Own(backend, binds) is not { } own) continue;
                root.Report.Error(
                    scalar, ReferenceEquals(scalar, element) ? path : HoconPath.Child(path, "address"),
                    $"is this node itself ({own}): each of its clients would come back to it as a new one");
            }
        }
    }

    /// <summary>Checks an address; names are not resolved, except localhost.</summary>
    public static string? Own(DnsEndPoint backend, IEnumerable<KeyValuePair<IPEndPoint, string>> binds)
    {
        var address = backend.Host == "localhost" ? IPAddress.Loopback : IPAddress.TryParse(backend.Host.Trim('[', ']'), out var literal) ? literal : null;
        return address is null ? null : Own(new IPEndPoint(address, backend.Port), binds);
    }

    /// <summary>What accepts connections to an address of this machine: the value of one of the binds; null when nothing does.</summary>
    public static string? Own(IPEndPoint backend, IEnumerable<KeyValuePair<IPEndPoint, string>> binds)
    {
        var address = backend.Address.IsIPv4MappedToIPv6 ? backend.Address.MapToIPv4() : backend.Address;
        // A connection to a wildcard address reaches this machine.
        if (address.Equals(IPAddress.Any)) address = IPAddress.Loopback;
        else if (address.Equals(IPAddress.IPv6Any)) address = IPAddress.IPv6Loopback;
        foreach ((var bind, string key) in binds)
        {
            if (bind.Port == backend.Port && (bind.Address.Equals(address) || (Takes(bind.Address, address) && LocalAddresses.Has(address)))) return key;
        }
        return null;
    }

    /// <summary>[::] also accepts IPv4 clients.</summary>
    private static bool Takes(IPAddress bind, IPAddress address) =>
        bind.Equals(IPAddress.IPv6Any) || (bind.Equals(IPAddress.Any) && address.AddressFamily == AddressFamily.InterNetwork);
}
