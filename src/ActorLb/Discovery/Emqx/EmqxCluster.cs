using System.Collections.Immutable;
using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Protocol.Text;

namespace ActorLb.Discovery.Emqx;

/// <summary>What the API's answers about EMQX's cluster mean for a pool.</summary>
internal static class EmqxCluster
{
    private const int LongestShown = 64;

    /// <summary>
    /// The running nodes are the backends, sorted, so that every balancer lists them in the same order. Those that EMQX evacuates,
    /// rebalances away from or purges get no new clients, since it refuses them there. A node that is not running is not a backend;
    /// while it stays in the pool (see <see cref="DiscoveryMerge"/>) it gets no new clients either.
    /// </summary>
    /// <exception cref="IOException">No node is running.</exception>
    public static DiscoveryAnswer Read(EmqxDiscoveryOptions options, EmqxNode?[] nodes, EmqxStatus? status)
    {
        var departing = Departing(status);
        var backends = ImmutableArray.CreateBuilder<BackendOptions>();
        var draining = DiscoveryAnswer.NobodyDrains.ToBuilder();
        var hosts = new List<(string Host, bool Runs, string? Reason)>();
        var unusable = new List<string>();
        foreach (var node in nodes)
        {
            if (HostOf(node?.Name) is not { } host)
            {
                unusable.Add(Shown(node?.Name ?? ""));
                continue;
            }

            bool runs = string.Equals(node!.Status, "running", StringComparison.OrdinalIgnoreCase);
            hosts.Add((host, runs, runs ? departing.GetValueOrDefault(node.Name!) : $"EMQX says that the node is {Shown(node.Status ?? "not running")}"));
        }

        // Several nodes on one host are one backend: it exists while one of them runs, and drains when all running ones do.
        foreach (var host in hosts.GroupBy(h => h.Host, StringComparer.OrdinalIgnoreCase).OrderBy(g => g.Key, StringComparer.OrdinalIgnoreCase))
        {
            var address = new DnsEndPoint(host.Key, options.Port);
            bool runs = host.Any(h => h.Runs);
            if (runs) backends.Add(options.Template with { Address = address });
            if (host.Where(h => h.Runs == runs).All(h => h.Reason is not null)) draining[Backend.IdOf(address)] = host.First(h => h.Runs == runs).Reason!;
        }

        if (backends.Count == 0) throw new IOException($"none of EMQX's {nodes.Length} nodes is running");
        return new DiscoveryAnswer(backends.ToImmutable())
        {
            Draining = draining.ToImmutable(),
            Remark = unusable.Count == 0 ? null : $"EMQX lists nodes without a host to dial, which are left out: {SafeText.Shortened(string.Join(", ", unusable), 4 * LongestShown)}",
        };
    }

    /// <summary>The host of "emqx@10.0.0.1"; null when there is none.</summary>
    public static string? HostOf(string? node)
    {
        int at = node?.IndexOf('@', StringComparison.Ordinal) ?? -1;
        string host = at < 0 ? "" : node![(at + 1)..].Trim('[', ']');
        return AddressText.IsHost(host) ? host : null;
    }

    /// <summary>Why nodes send their clients away, by node name.</summary>
    private static Dictionary<string, string> Departing(EmqxStatus? status)
    {
        var reasons = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var process in status?.Evacuations ?? []) Add(process?.Node, "EMQX is evacuating it", process);
        // The coordinator of a rebalance does not have to take part in it.
        foreach (var process in status?.Rebalances ?? [])
        {
            foreach (string? donor in process?.Donors ?? []) Add(donor, "EMQX is rebalancing its clients to other nodes", process);
        }

        foreach (var process in status?.Purges ?? []) Add(process?.Node, "EMQX is purging its sessions", process);
        return reasons;

        void Add(string? node, string reason, EmqxProcess? process)
        {
            if (node is not null) reasons.TryAdd(node, process?.State is { Length: > 0 } state ? $"{reason}: {Shown(state)}" : reason);
        }
    }

    private static string Shown(string text) => SafeText.Shortened(SafeText.Of(text), LongestShown);
}
