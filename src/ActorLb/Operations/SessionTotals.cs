using ActorLb.Protocol.Admin;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Telemetry;

namespace ActorLb.Operations;

/// <summary>Counts a node's sessions by phase, listener and backend.</summary>
internal static class SessionTotals
{
    public static SessionCount Of(string node, IReadOnlyList<Reactor> reactors, IEnumerable<Listener> listeners, IEnumerable<UpstreamPool> pools)
    {
        int reading = 0, connecting = 0, established = 0, closing = 0;
        foreach (var counters in reactors.Select(r => r.Counters))
        {
            reading += (int)Volatile.Read(ref counters.Reading);
            connecting += (int)Volatile.Read(ref counters.Connecting);
            established += (int)Volatile.Read(ref counters.Relaying);
            closing += (int)Volatile.Read(ref counters.Lingering);
        }
        return new SessionCount(
            node, reading + connecting + established + closing, reading, connecting, established, closing,
            [.. listeners.OrderBy(l => l.Name, StringComparer.Ordinal).Select(l => new NamedCount(l.Name, l.Active))],
            [
                .. from pool in pools.OrderBy(p => p.Name, StringComparer.Ordinal)
                   from backend in pool.Pool.Snapshot.Backends.ToArray()
                   select new NamedCount($"{pool.Name}/{backend.Id}", backend.Active),
            ]);
    }
}
