using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Checks;

/// <summary>What a data plane does not support.</summary>
internal static class DataPlaneChecks
{
    /// <param name="root">The block <c>actorlb</c>.</param>
    public static void Check(
        Section root, NodeOptions node, IReadOnlyDictionary<string, ListenerOptions> listeners, IReadOnlyDictionary<string, PoolOptions> pools)
    {
        if (node.DataPlane == DataPlaneKind.Streams)
        {
            foreach (var listener in listeners.Values.OrderBy(l => l.Name, StringComparer.Ordinal))
            {
                if (listener.Tls is not null) Refuse(root, "listeners", listener.Name, "tls");
                if (listener.WebSocket is not null) Refuse(root, "listeners", listener.Name, "websocket");
            }
            foreach (var pool in pools.Values.OrderBy(p => p.Name, StringComparer.Ordinal))
            {
                if (pool.Tls is not null) Refuse(root, "pools", pool.Name, "tls");
            }
        }
        else if (!OperatingSystem.IsLinux())
        {
            var section = root.Child("node");
            root.Report.Error(
                section.PositionOf("data-plane"), section.PathOf("data-plane"), "reactor", "runs only on Linux; on this system use data-plane = streams");
        }
    }

    /// <summary>Why the running data plane cannot apply a configuration; null when it can.</summary>
    public static string? Problem(DataPlaneKind running, ActorLbOptions options)
    {
        if (running != DataPlaneKind.Streams) return null;
        foreach (var listener in options.Listeners.Values)
        {
            string? block = listener.Tls is not null ? "tls" : listener.WebSocket is not null ? "websocket" : null;
            if (block is not null) return $"listener {listener.Name}: {block} {Reason}, which this node uses until it is restarted";
        }
        return options.Pools.Values.FirstOrDefault(p => p.Tls is not null) is { } pool
            ? $"pool {pool.Name}: tls {Reason}, which this node uses until it is restarted" : null;
    }

    private const string Reason = "is not available with node.data-plane = streams";

    private static void Refuse(Section root, string kind, string name, string block)
    {
        var section = root.Child(kind).Child(name);
        root.Report.Error(
            section.PositionOf(block), section.PathOf(block), null, $"{Reason}, which supports only plain TCP: use data-plane = reactor, or terminate TLS and WebSocket in front of the node");
    }
}
