using System.Collections.Immutable;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>Takes a node out of service, and back: the fleet, the listeners, the clients.</summary>
internal sealed partial class NodeDrain(NodeParts parts, ConfigurationApplier applier, StickySeeding seeding)
{
    /// <summary>Whether the node takes clients: started, not draining.</summary>
    public bool IsReady { get; private set; }

    /// <summary>From the start of a drain on: leaving the fleet is part of it, though clients are still accepted meanwhile.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>The node has started.</summary>
    public void Begin() => IsReady = true;

    /// <summary>The node does not take clients any more, nor learn where sessions are.</summary>
    public async Task EndAsync()
    {
        IsReady = false;
        await seeding.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Learns from brokers where sessions are, where pools are so configured.</summary>
    public Task FollowBrokersAsync() => seeding.FollowAsync(applier.Options.Pools.Values);

    /// <summary>Leaves the fleet, stops accepting and closes what is open, paced over what is left of <paramref name="within"/>.</summary>
    public async Task DrainAsync(TimeSpan within, CancellationToken cancel)
    {
        long start = parts.Time.GetTimestamp();
        IsDraining = true;
        await EndAsync().ConfigureAwait(false);
        await LeaveFleetAsync(within).ConfigureAwait(false);
        parts.Services.Admission.Draining = true;
        await parts.Listeners.CloseAllAsync().ConfigureAwait(false);
        await CloseClientsAsync(within - parts.Time.GetElapsedTime(start), cancel).ConfigureAwait(false);
    }

    /// <summary>Leaves the fleet and stops accepting, for a process that goes on with the listening sockets. Accepted clients are served.</summary>
    /// <param name="within">Half of it is for the fleet, at most.</param>
    public async Task StopAcceptingAsync(TimeSpan within)
    {
        await EndAsync().ConfigureAwait(false);
        await LeaveFleetAsync(within).ConfigureAwait(false);
        await parts.Listeners.CloseAllAsync().ConfigureAwait(false);
    }

    /// <summary>Goes on after <see cref="StopAcceptingAsync"/>, with the sockets that were lent: no other process did.</summary>
    /// <exception cref="IOException">A listener cannot be opened: the node stays as it is.</exception>
    public Task TakeBackAsync(ImmutableArray<InheritedListener> lent, CancellationToken cancel)
    {
        parts.Listeners.Inherit(lent, []);
        return ResumeAsync(cancel);
    }

    /// <summary>Takes clients again after a drain, or within one: opens the listeners where they were, and joins the fleet again first.</summary>
    /// <exception cref="IOException">A listener cannot be opened: the node stays drained.</exception>
    /// <param name="cancel">Ends the wait for a fleet that is there.</param>
    /// <returns>Connections that the drain had left.</returns>
    public async Task<int> ResumeAsync(CancellationToken cancel)
    {
        int stayed = 0;
        await applier.ExclusivelyAsync(
            async () =>
            {
                using var opened = parts.Listeners.Open(applier.Options.Listeners.Values, applier.TcpOf);
                if (parts.Fleet is { } fleet) await fleet.RejoinAsync(cancel).ConfigureAwait(false);
                stayed = parts.Services.Admission.Active;
                parts.Services.Admission.Draining = false;
                IsDraining = false;
                await parts.Listeners.ApplyAsync([.. parts.Listeners.All.Select(l => (l.Current.Options, l))], opened, applier.TcpOf).ConfigureAwait(false);
            },
            cancel).ConfigureAwait(false);
        IsReady = true;
        await FollowBrokersAsync().ConfigureAwait(false);
        Log.Resumed(parts.Logger);
        parts.Events.Publish("node_resumed", $"takes clients again; {stayed} connections stayed");
        return stayed;
    }

    private async Task CloseClientsAsync(TimeSpan within, CancellationToken cancel)
    {
        var reason = parts.Services.ServerReferenceUtf8.Length > 0 ? DisconnectReason.UseAnotherServer : DisconnectReason.ServerShuttingDown;
        int open = parts.Services.Admission.Active;
        double seconds = Math.Round(Math.Max(within.TotalSeconds, 0), 1);
        Log.Draining(parts.Logger, open, seconds);
        parts.Events.Publish("node_draining", $"{open} connections close within {seconds} s");
        await new ClientClosing(parts.Reactors, () => OpenClients, parts.Time).CloseAsync(within, reason, cancel).ConfigureAwait(false);
    }

    /// <summary>With those that are being refused.</summary>
    private long OpenClients => parts.Services.Admission.Active + parts.Reactors.Sum(r => Volatile.Read(ref r.Counters.Refused));

    /// <summary>The others take over this node's shards while it still answers for them.</summary>
    private Task LeaveFleetAsync(TimeSpan within) => parts.Fleet is { } fleet ? fleet.Member.Host.LeaveAsync(within / 2) : Task.CompletedTask;

    private static partial class Log
    {
        [LoggerMessage(2203, LogLevel.Information, "draining {Open} connections within {Seconds} s")]
        public static partial void Draining(ILogger logger, int open, double seconds);

        [LoggerMessage(2206, LogLevel.Information, "the node accepts clients again")]
        public static partial void Resumed(ILogger logger);
    }
}
