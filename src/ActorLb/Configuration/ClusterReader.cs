using System.Collections.Immutable;
using System.Net;
using System.Numerics;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration;

/// <summary>The block <c>cluster</c>.</summary>
internal static class ClusterReader
{
    public static ClusterOptions Read(Section section)
    {
        CoordinatorKind coordinator = section.Choice("coordinator", CoordinatorKind.Local, ConfigurationNames.Coordinator);
        Section? tls = section.OptionalChild("tls");
        var result = new ClusterOptions(
            coordinator,
            Name(section),
            section.Bind("bind") ?? ConfigurationDefaults.Peers,
            section.Host("advertise"),
            section.OptionalText("zone"),
            section.ReadableFile("secret-file"),
            tls is null ? null : ServiceTlsReader.Read(tls, certificateRequired: true, caRequired: true),
            ReadEtcd(section.Child("etcd")),
            Seeds(section),
            section.Duration("down-after", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(10)),
            section.Duration("form-after", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            section.Choice("when-split", SplitRule.Majority, ConfigurationNames.WhenSplit),
            Shards(section));
        section.Close();
        if (!result.Seeds.IsEmpty) FleetChecks.Check(section, result);
        if (coordinator == CoordinatorKind.Local) return result;
        if (tls is null && !section.Has("secret-file"))
        {
            section.Missing("secret-file", "is required with coordinator = etcd, unless tls is set: peers must prove who they are");
        }
        bool everywhere = result.Bind.Address.Equals(IPAddress.Any) || result.Bind.Address.Equals(IPAddress.IPv6Any);
        if (everywhere && !section.Has("advertise"))
        {
            section.Report.Warn(
                section.PositionOf("bind"), section.PathOf("advertise"), null,
                "is not set and bind names all addresses: peers are told this machine's host name");
        }
        return result;
    }

    private static ImmutableArray<DnsEndPoint> Seeds(Section section)
    {
        var result = ImmutableArray.CreateBuilder<DnsEndPoint>();
        foreach ((string path, HoconScalar scalar) in section.Scalars("seeds", "a host and port such as lb-1:7946"))
        {
            if (!AddressText.TryHost(scalar.Text, out DnsEndPoint seed, out string reason)) section.Report.Error(scalar, path, reason);
            else if (result.Contains(seed)) section.Report.Error(scalar, path, "stands in the list twice");
            else result.Add(seed);
        }
        return result.ToImmutable();
    }

    private static int Shards(Section section)
    {
        const int Standard = 64;
        int shards = section.Integer("shards", Standard, 16, 1024);
        if (BitOperations.IsPow2(shards)) return shards;
        section.Error("shards", section.Get("shards")!, "is not a power of two");
        return Standard;
    }

    private static string Name(Section section)
    {
        HoconScalar? scalar = section.Scalar("name", "a name");
        if (scalar is not null && !NodeReader.IsName(scalar.Text)) section.Error("name", scalar, NodeReader.NameRule);
        return scalar?.Text ?? "actorlb";
    }

    private static EtcdOptions ReadEtcd(Section section)
    {
        bool user = section.Has("user"), password = section.Has("password-file");
        Section? tls = section.OptionalChild("tls");
        var result = new EtcdOptions(
            Endpoints(section),
            Prefix(section),
            section.Duration("lease-ttl", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(10)),
            section.OptionalText("user"),
            section.ReadableFile("password-file"),
            tls is null ? null : ServiceTlsReader.Read(tls, certificateRequired: false, caRequired: false));
        if (result.LeaseTtl.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            section.Error("lease-ttl", section.Get("lease-ttl")!, "is not in whole seconds, which etcd's leases need");
        }
        if (user && !password) section.Missing("password-file", "is required with user");
        if (password && !user) section.Missing("user", "is required with password-file");
        section.Close();
        return result;
    }

    private static ImmutableArray<Uri> Endpoints(Section section)
    {
        if (!section.Has("endpoints")) return ConfigurationDefaults.EtcdEndpoints;
        var result = ImmutableArray.CreateBuilder<Uri>();
        foreach ((string path, HoconScalar scalar) in section.Scalars("endpoints", "a URL such as http://127.0.0.1:2379"))
        {
            bool valid = Uri.TryCreate(scalar.Text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https";
            if (valid && uri!.UserInfo.Length > 0)
            {
                section.Report.Error(scalar.Position, path, null, "holds credentials; they belong in user and password-file");
            }
            else if (!valid || uri!.AbsolutePath != "/" || uri.Query.Length > 0 || uri.Fragment.Length > 0)
            {
                // What is no URL may still hold a password before its '@'.
                string? shown = scalar.Text.Contains('@', StringComparison.Ordinal) ? null : scalar.Text;
                section.Report.Error(scalar.Position, path, shown, "is not a URL such as http://127.0.0.1:2379");
            }
            else
            {
                result.Add(uri!);
            }
        }
        if (result.Count == 0 && section.Elements("endpoints") is { Count: 0 }) section.Error("endpoints", section.Get("endpoints")!, "is empty");
        return result.ToImmutable();
    }

    private static string Prefix(Section section)
    {
        HoconScalar? scalar = section.Scalar("prefix", "a prefix such as /actorlb");
        if (scalar is null) return "/actorlb";
        if (!scalar.Text.StartsWith('/') || scalar.Text.EndsWith('/') || scalar.Text.Any(char.IsControl))
        {
            section.Error("prefix", scalar, "is not a prefix such as /actorlb: it begins with '/' and does not end with it");
        }
        return scalar.Text;
    }
}
