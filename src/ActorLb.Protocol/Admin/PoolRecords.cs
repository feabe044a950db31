namespace ActorLb.Protocol.Admin;

/// <param name="Balance">As configured; for sticky pools with the placing policy: "sticky, placed by least-connections".</param>
/// <param name="Eligible">Backends that take new clients.</param>
/// <param name="Connections">This node's connections to the pool's backends.</param>
/// <param name="FleetConnections">The fleet's, as far as this node knows.</param>
public sealed record PoolSummary(string Name, string Balance, int Backends, int Eligible, int Connections, int FleetConnections);

public sealed record PoolList(string Node, PoolSummary[] Pools);

/// <param name="Backend">"host:port": its name within the pool.</param>
/// <param name="Admin">What the operator wants: "up", "drain", "down".</param>
/// <param name="Health">This node's probes: "unknown", "up", "down".</param>
/// <param name="Blocks">Why it takes no new clients; empty when it does.</param>
/// <param name="Limit">Connections at most; 0 is unlimited.</param>
/// <param name="Addresses">What the host name stands for.</param>
/// <param name="DrainLeft">Seconds after which a drain becomes down; null for never.</param>
/// <param name="Local">An operator's change holds on this node alone, until the fleet confirms it.</param>
public sealed record BackendInfo(
    string Pool, string Backend, string Admin, string Health, string[] Blocks, int Weight, bool Backup,
    int Connections, int FleetConnections, int Limit, long Connects, long Failures, string[] Addresses,
    double? DrainLeft = null, bool Local = false);

public sealed record PoolInfo(PoolSummary Pool, BackendInfo[] Backends);

/// <param name="Deadline">Seconds after which the drain becomes down; null for never.</param>
public sealed record BackendDrain(double? Deadline = null);

/// <param name="Weight">1 to 65,535.</param>
public sealed record BackendWeight(int Weight);
