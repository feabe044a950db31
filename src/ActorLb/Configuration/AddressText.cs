using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration;

/// <summary>Addresses as people write them: 10.0.0.1:1883, [2001:db8::1]:1883, host:1883, 10.0.0.0/8.</summary>
internal static class AddressText
{
    /// <summary>An address to listen on; <c>*</c> or nothing before the port means all of IPv4, <c>localhost</c> means 127.0.0.1.</summary>
    public static bool TryBind(string text, out IPEndPoint endPoint, out string reason)
    {
        endPoint = new IPEndPoint(IPAddress.Any, 0);
        if (IsUrl(text, listens: true, out reason)) return false;
        string full = text.Contains(':', StringComparison.Ordinal) ? text : ":" + text;
        if (!TrySplit(full, 0, out string host, out int port, out reason)) return false;
        var address = host switch
        {
            "" or "*" => IPAddress.Any,
            "localhost" => IPAddress.Loopback,
            _ => IPAddress.TryParse(host, out var parsed) && IsCanonical(host, parsed) ? parsed : null,
        };
        if (address is null)
        {
            reason = "is not an address to listen on, such as 0.0.0.0:1883 or [::]:1883";
            return false;
        }
        endPoint = new IPEndPoint(address, port);
        return true;
    }

    /// <summary>A host name or address, and a port.</summary>
    public static bool TryHost(string text, out DnsEndPoint endPoint, out string reason)
    {
        endPoint = new DnsEndPoint("localhost", 1);
        if (IsUrl(text, listens: false, out reason) || !TrySplit(text, 1, out string host, out int port, out reason)) return false;
        if (!IsHost(host))
        {
            reason = "is not a host name or address with a port, such as emqx1.example.com:1883";
            return false;
        }
        endPoint = new DnsEndPoint(host, port);
        return true;
    }

    public static bool TryAddress(string text, out IPAddress address)
    {
        bool valid = IPAddress.TryParse(text, out var parsed) && IsCanonical(text, parsed);
        address = parsed ?? IPAddress.None;
        return valid;
    }

    /// <summary>A network with its prefix, or a single address.</summary>
    public static bool TryNetwork(string text, out IPNetwork network, out string reason)
    {
        network = default;
        reason = "is not a network such as 10.0.0.0/8 or 2001:db8::/32";
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!TryAddress(slash < 0 ? text : text[..slash], out var address)) return false;
        int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        int prefix = bits;
        if (slash >= 0 && !SectionScalars.TryInteger(text[(slash + 1)..], 0, bits, out prefix)) return false;
        byte[] bytes = address.GetAddressBytes();
        for (int i = prefix; i < bits; i++) bytes[i / 8] &= (byte)~(0x80 >> (i % 8));
        var first = new IPAddress(bytes);
        network = new IPNetwork(first, prefix);
        if (first.Equals(address)) return true;
        reason = $"names an address within a network; the network is {first}/{prefix}";
        return false;
    }

    public static string Format(DnsEndPoint endPoint) =>
        endPoint.Host.Contains(':', StringComparison.Ordinal) ? $"[{endPoint.Host}]:{endPoint.Port}" : $"{endPoint.Host}:{endPoint.Port}";

    /// <summary>An address, or a name whose labels have at most 63 characters, 253 in all (RFC 1123 section 2.1; underscores are
    /// common).</summary>
    public static bool IsHost(string host)
    {
        if (host.Contains(':', StringComparison.Ordinal)) return TryAddress(host, out _);
        string name = host.EndsWith('.') ? host[..^1] : host;
        if (name.Length is 0 or > 253) return false;
        // What looks like an address must be a valid one.
        if (name.All(c => char.IsAsciiDigit(c) || c == '.')) return TryAddress(host, out _);
        return name.Split('.').All(label => label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-'
            && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
    }

    private static bool IsUrl(string text, bool listens, out string reason)
    {
        string? instead = AddressUrl.Instead(text, listens);
        reason = instead is null ? "" : $"is a URL: {instead}";
        return instead is not null;
    }

    private static bool TrySplit(string text, int minPort, out string host, out int port, out string reason)
    {
        reason = "";
        port = 0;
        int colon = text.LastIndexOf(':');
        host = colon < 0 ? text : text[..colon];
        if (text.EndsWith(';'))
        {
            reason = "ends with ';': leave it out";
            return false;
        }
        if (colon < 0 || text.EndsWith(']'))
        {
            reason = "lacks a port";
            return false;
        }
        bool brackets = host.StartsWith('[') && host.EndsWith(']');
        if (!brackets && host.Contains(':', StringComparison.Ordinal))
        {
            reason = text.Contains(' ', StringComparison.Ordinal)
                ? "is two addresses: a comma or a new line goes between them"
                : "must have its IPv6 address in brackets, as in [::1]:1883";
            return false;
        }
        if (brackets)
        {
            host = host[1..^1];
            if (!host.Contains(':', StringComparison.Ordinal) || !TryAddress(host, out _))
            {
                reason = "has no IPv6 address in its brackets";
                return false;
            }
        }
        if (SectionScalars.TryInteger(text[(colon + 1)..], minPort, 65535, out port) && char.IsAsciiDigit(text[colon + 1])) return true;
        reason = $"has no port from {minPort} to 65535 after its last colon";
        return false;
    }

    /// <summary>The runtime accepts "1" and "0x7f.1" as addresses; people do not.</summary>
    private static bool IsCanonical(string text, IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6
            ? address.ScopeId == 0 && !text.StartsWith('[')
            : address.ToString().Equals(text, StringComparison.Ordinal);
}
