using ActorLb.Cluster;

namespace ActorLb.Fleet;

/// <param name="Address">Host and port that peers dial: <c>cluster.advertise</c>, or the bound address.</param>
/// <param name="HashKey">16 bytes, the same on every node; see <see cref="HashKeys"/>.</param>
/// <param name="KeepHashKey">The key came from the store and is kept there.</param>
/// <param name="IsAlone">Coordinator <c>local</c>: no peers, the store lives in this process.</param>
internal sealed record FleetOptions(
    string Cluster, string Node, string Address, string? Zone, int Weight, TimeSpan LeaseTtl, TimeSpan StickyTtl, int MaxEntries,
    byte[] HashKey, bool KeepHashKey, bool IsAlone);

/// <summary>What a node brings to the fleet: backends of its pools.</summary>
internal readonly record struct WantedBackend(string Pool, string Id, string Address);

/// <summary>What a node says of one of its backends.</summary>
/// <param name="Connections">Held by this node.</param>
/// <param name="IsDown">This node's own verdict.</param>
internal readonly record struct BackendReport(Sticky.BackendRef Backend, int Connections, bool IsDown);
