using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>Addresses and networks of a section.</summary>
internal static class SectionAddresses
{
    public static IPEndPoint? Bind(this Section section, string key)
    {
        var scalar = section.Scalar(key, "an address and port such as 0.0.0.0:1883");
        if (scalar is null) return null;
        if (AddressText.TryBind(scalar.Text, out var endPoint, out string reason)) return endPoint;
        section.Error(key, scalar, reason);
        return null;
    }

    public static DnsEndPoint? Host(this Section section, string key)
    {
        var scalar = section.Scalar(key, "a host and port such as 10.0.0.11:7946");
        if (scalar is null) return null;
        if (AddressText.TryHost(scalar.Text, out var endPoint, out string reason)) return endPoint;
        section.Error(key, scalar, reason);
        return null;
    }

    /// <summary>An array of networks; a single network does not need brackets.</summary>
    public static ImmutableArray<IPNetwork> Networks(this Section section, string key)
    {
        var result = ImmutableArray.CreateBuilder<IPNetwork>();
        foreach ((string path, var scalar) in section.Scalars(key, "a network such as 10.0.0.0/8"))
        {
            if (AddressText.TryNetwork(scalar.Text, out var network, out string reason)) result.Add(network);
            else section.Report.Error(scalar, path, reason);
        }
        return result.ToImmutable();
    }

    /// <summary>An array of scalars; other elements are reported.</summary>
    public static IEnumerable<(string Path, HoconScalar Scalar)> Scalars(this Section section, string key, string expected)
    {
        foreach ((string path, var value) in section.Elements(key) ?? [])
        {
            if (value is HoconScalar scalar) yield return (path, scalar);
            else section.Report.Error(value, path, $"is {value.Kind}, but {expected} is expected");
        }
    }
}
