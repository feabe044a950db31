namespace ActorLb.Balancing;

/// <summary>
/// Clients of one network (IPv4 /24, or one IPv6 address, as NGINX's ip_hash) go to one backend. Unlike NGINX's modulus, rendezvous
/// keeps the other networks where they are when a backend goes.
/// </summary>
internal sealed class IpHashPolicy : IBalancingPolicy
{
    public string Name => "ip-hash";

    public Backend? Pick(in PickContext context) => HashPolicy.First(context, context.AddressHash);
}
