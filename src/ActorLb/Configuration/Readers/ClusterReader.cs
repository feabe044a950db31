using System.Collections.Immutable;
using System.Net;
using System.Numerics;
using ActorLb.Configuration.Checks;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>cluster</c> block.</summary>
internal static class ClusterReader
{
    public static ClusterOptions Read(Section section)
    {
        section.Gone("no longer exists: list the nodes of the fleet in seeds instead", "coordinator", "etcd");
        var tls = section.OptionalChild("tls");
        var result = new ClusterOptions(
            Name(section),
            section.Bind("bind") ?? ConfigurationDefaults.Peers,
            section.Host("advertise"),
            section.OptionalText("zone"),
            section.ReadableFile("secret-file"),
            tls is null ? null : ServiceTlsReader.Read(tls, certificateRequired: true, caRequired: true),
            Seeds(section),
            section.Duration("down-after", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(10)),
            section.Duration("form-after", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            section.Choice("when-split", SplitRule.Majority, ConfigurationNames.WhenSplit),
            Shards(section));
        section.Close();
        if (!result.Seeds.IsEmpty) FleetChecks.Check(section, result);
        return result;
    }

    private static ImmutableArray<DnsEndPoint> Seeds(Section section)
    {
        var result = ImmutableArray.CreateBuilder<DnsEndPoint>();
        foreach ((string path, var scalar) in section.Scalars("seeds", "a host and port such as lb-1:7946"))
        {
            if (!AddressText.TryHost(scalar.Text, out var seed, out string reason)) section.Report.Error(scalar, path, reason);
            else if (result.Contains(seed)) section.Report.Error(scalar, path, "is listed twice");
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
        var scalar = section.Scalar("name", "a name");
        if (scalar is not null && !NodeReader.IsName(scalar.Text)) section.Error("name", scalar, NodeReader.NameRule);
        return scalar?.Text ?? "actorlb";
    }
}
