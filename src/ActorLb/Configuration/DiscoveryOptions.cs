using System.Collections.Immutable;

namespace ActorLb.Configuration;

/// <summary>How a pool's backends are found.</summary>
/// <param name="Interval">Between two queries.</param>
/// <param name="Template">Settings of every backend found, except the address.</param>
public abstract record DiscoveryOptions(TimeSpan Interval, BackendOptions Template)
{
    /// <summary>What lists the backends, for people.</summary>
    public abstract string Source { get; }

    /// <summary>Whether an answer to the other query is also one to this query.</summary>
    public abstract bool AsksAs(DiscoveryOptions other);
}

/// <summary>Backends found by DNS: address records of <paramref name="Name"/>, or SRV records, which have their own ports.</summary>
public sealed record DnsDiscoveryOptions(string Name, int Port, bool Srv, TimeSpan Interval, BackendOptions Template) : DiscoveryOptions(Interval, Template)
{
    public override string Source => Name;

    public override bool AsksAs(DiscoveryOptions other) => other is DnsDiscoveryOptions dns && dns.Name == Name && dns.Srv == Srv;
}

/// <summary>Backends found by the REST API of EMQX 5: the nodes of its cluster.</summary>
/// <param name="Apis">Nodes of one cluster, asked in turn until one answers; without "/api/v5".</param>
/// <param name="KeyFile">Absolute path of the API key.</param>
/// <param name="Ca">Authorities for the API's certificate; null for the system's.</param>
/// <param name="Seed">Whether the sticky map is filled at the start with where EMQX's clients are.</param>
/// <param name="Port">Of the brokers: the API returns only hosts.</param>
public sealed record EmqxDiscoveryOptions(
    ImmutableArray<Uri> Apis, string KeyFile, string? Ca, bool Verify, bool Seed, int Port, TimeSpan Interval, BackendOptions Template)
    : DiscoveryOptions(Interval, Template)
{
    public override string Source => "EMQX";

    public override bool AsksAs(DiscoveryOptions other) => other is EmqxDiscoveryOptions emqx && emqx.Port == Port && emqx.Apis.SequenceEqual(Apis);

    /// <summary>Compares the contents of the list of URLs, since each reading of a file creates a new list.</summary>
    public bool Equals(EmqxDiscoveryOptions? other) =>
        base.Equals(other) && Apis.SequenceEqual(other.Apis) && KeyFile == other.KeyFile && Ca == other.Ca && Verify == other.Verify
        && Seed == other.Seed && Port == other.Port;

    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Apis.Length, KeyFile, Ca, Verify, Seed, Port);
}
