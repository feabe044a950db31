namespace ActorLb.Balancing.Policies;

/// <summary>
/// Clients of one network (IPv4 /24, or one IPv6 address, as in NGINX's ip_hash) go to one backend. Unlike NGINX's modulus, rendezvous
/// hashing keeps the other networks in place when a backend leaves.
/// </summary>
internal sealed class IpHashPolicy : IBalancingPolicy
{
    public string Name => "ip-hash";

    public Backend? Pick(in PickContext context) => HashPolicy.First(context, context.AddressHash);
}
