using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Hosting;

namespace ActorLb.Fleet.Membership;

/// <summary>What a node's fleet systems are made of; the same for all of them while the process lives.</summary>
/// <param name="Cluster">Nodes of another name are refused.</param>
/// <param name="Bind">Port 0 lets the system choose, once.</param>
/// <param name="Akka">The user's HOCON over everything else.</param>
internal sealed record FleetSettings(
    string Cluster, string Node, IPEndPoint Bind, DnsEndPoint? Advertise, string? Zone, ImmutableArray<DnsEndPoint> Seeds,
    TimeSpan DownAfter, TimeSpan FormAfter, SplitRule WhenSplit, int Shards, string? SecretFile, ServiceTlsOptions? Tls, string Akka)
{
    public static FleetSettings Of(ActorLbOptions options)
    {
        ClusterOptions cluster = options.Cluster;
        return new FleetSettings(
            cluster.Name, options.Node.Name, cluster.Bind, cluster.Advertise, cluster.Zone, cluster.Seeds, cluster.DownAfter,
            cluster.FormAfter, cluster.WhenSplit, cluster.Shards, cluster.SecretFile, cluster.Tls, options.Akka.ToHocon());
    }
}
