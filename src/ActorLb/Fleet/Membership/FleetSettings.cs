using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Hosting;

namespace ActorLb.Fleet.Membership;

/// <summary>The settings of a node's fleet systems, the same for all of them while the process lives.</summary>
/// <param name="Cluster">Name of the cluster; nodes of another cluster are refused.</param>
/// <param name="Bind">With port 0 the first system chooses one, which later systems keep.</param>
/// <param name="Akka">The user's HOCON, which overrides everything else.</param>
internal sealed record FleetSettings(
    string Cluster, string Node, IPEndPoint Bind, DnsEndPoint? Advertise, string? Zone, ImmutableArray<DnsEndPoint> Seeds,
    TimeSpan DownAfter, TimeSpan FormAfter, SplitRule WhenSplit, int Shards, string? SecretFile, ServiceTlsOptions? Tls, string Akka)
{
    public static FleetSettings Of(ActorLbOptions options)
    {
        var cluster = options.Cluster;
        return new FleetSettings(
            cluster.Name, options.Node.Name, cluster.Bind, cluster.Advertise, cluster.Zone, cluster.Seeds, cluster.DownAfter,
            cluster.FormAfter, cluster.WhenSplit, cluster.Shards, cluster.SecretFile, cluster.Tls, options.Akka.ToHocon());
    }
}
