using System.Collections.Immutable;

namespace ActorLb.Configuration;

/// <summary>How a pool's backends are found.</summary>
/// <param name="Interval">Between two questions.</param>
/// <param name="Template">What each backend has but for its address.</param>
public abstract record DiscoveryOptions(TimeSpan Interval, BackendOptions Template)
{
    /// <summary>What names the backends, for people.</summary>
    public abstract string Source { get; }

    /// <summary>Whether an answer to the other question is one to this question, too.</summary>
    public abstract bool AsksAs(DiscoveryOptions other);
}

/// <summary>Backends found by DNS: address records of <paramref name="Name"/>, or SRV records, which bring ports of their own.</summary>
public sealed record DnsDiscoveryOptions(string Name, int Port, bool Srv, TimeSpan Interval, BackendOptions Template) : DiscoveryOptions(Interval, Template)
{
    public override string Source => Name;

    public override bool AsksAs(DiscoveryOptions other) => other is DnsDiscoveryOptions dns && dns.Name == Name && dns.Srv == Srv;
}

/// <summary>Backends found by the REST API of EMQX 5: the nodes of its cluster.</summary>
/// <param name="Apis">Nodes of one cluster, asked in turn until one answers; without "/api/v5".</param>
/// <param name="KeyFile">Absolute path of the API key.</param>
/// <param name="Ca">Authorities of the API's certificate; null is those of the system.</param>
/// <param name="Seed">Whether the sticky map learns at the start where EMQX's clients are.</param>
/// <param name="Port">Of the brokers: the API names hosts alone.</param>
public sealed record EmqxDiscoveryOptions(
    ImmutableArray<Uri> Apis, string KeyFile, string? Ca, bool Verify, bool Seed, int Port, TimeSpan Interval, BackendOptions Template)
    : DiscoveryOptions(Interval, Template)
{
    public override string Source => "EMQX";

    public override bool AsksAs(DiscoveryOptions other) => other is EmqxDiscoveryOptions emqx && emqx.Port == Port && emqx.Apis.SequenceEqual(Apis);

    /// <summary>By what is in the list of URLs, which two readings of a file make twice.</summary>
    public bool Equals(EmqxDiscoveryOptions? other) =>
        base.Equals(other) && Apis.SequenceEqual(other.Apis) && KeyFile == other.KeyFile && Ca == other.Ca && Verify == other.Verify
        && Seed == other.Seed && Port == other.Port;

    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Apis.Length, KeyFile, Ca, Verify, Seed, Port);
}
