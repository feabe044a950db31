using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet;
using ActorLb.Fleet.Inquiries;
using ActorLb.Fleet.Membership;
using ActorLb.Fleet.Spread;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;
using BackendReport = ActorLb.Fleet.Spread.BackendReport;
using FleetReport = ActorLb.Fleet.Spread.FleetReport;

namespace ActorLb.Hosting;

/// <summary>
/// Ties a node's pools to its fleet: brings the fleet this node's connections and verdicts, and the backends what the fleet knows: slots,
/// operators' changes, the others' connections, the majority's verdict.
/// </summary>
internal sealed class FleetBackends : IAsyncDisposable
{
    private readonly BackendDirectory _directory;
    private readonly Func<IEnumerable<(string Pool, Backend Backend)>> _backends;
    private volatile int _nodes;

    /// <param name="backends">Those of this node's pools.</param>
    /// <exception cref="IOException">The secret or the folder of the fleet's state is not usable.</exception>
    public FleetBackends(
        ActorLbOptions options, BackendSlots slots, BackendDirectory directory, Func<IEnumerable<(string, Backend)>> backends,
        Inquiry inquiry, EventFeed events, TimeProvider time, ILoggerFactory loggers)
    {
        _directory = directory;
        _backends = backends;
        // Until the fleet is there, those of the file are taken to be.
        _nodes = Math.Max(1, options.Cluster.Seeds.Length);
        try
        {
            Member = new LocalMember(options, slots, Collect, OnSummed, inquiry, events, time, loggers);
        }
        catch (InvalidOperationException e)
        {
            throw new IOException($"cluster: {e.Message}", e);
        }
        Member.Spread.BackendsChanged = OnBackendsChanged;
    }

    public LocalMember Member { get; }

    public bool IsStarted { get; private set; }

    /// <summary>
    /// Nodes that share what a backend may get of all of them, this one included. One that cannot be reached takes no part, so that what
    /// a dead node leaves is used at once; but on the smaller side of a split, and detached, a node keeps to its part of the whole.
    /// </summary>
    public int Nodes => _nodes;

    /// <summary>Hears <see cref="Nodes"/>, several times a second; any thread, must not block.</summary>
    public Action<int>? NodesCounted { private get; set; }

    /// <exception cref="IOException">The peers' address cannot be bound, or a certificate is not usable.</exception>
    public async Task StartAsync(CancellationToken cancel)
    {
        IsStarted = true;
        Member.Spread.Want(Wanted());
        Member.Spread.Publish();
        Member.Start();
        await Member.WhenJoinedAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>After a leave: becomes a member again, and waits until it is one where a fleet is there.</summary>
    public async Task RejoinAsync(CancellationToken cancel)
    {
        Member.Host.Rejoin();
        await Member.WhenJoinedAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>The pools have other backends than before.</summary>
    public void BackendsMayHaveChanged()
    {
        Member.Spread.Want(Wanted());
        OnBackendsChanged(Member.Spread.Backends.Snapshot());
    }

    /// <summary>Marks a backend as removed: its generation is not valid again, should it come back, nor what operators wanted of it. A node
    /// that still has it takes it back at once, until its own reload.</summary>
    public Task ForgetAsync(string pool, string id) =>
        Member.Spread.ChangeAsync(new BackendKey(pool, id), (r, _) => r.WithNextGeneration() with { State = null, Weight = null });

    public ValueTask DisposeAsync() => Member.DisposeAsync();

    internal static int SharersOf(MapMembers members)
    {
        int all = members.All.Length, reachable = members.All.Count(m => m.IsReachable || m.Id == members.Self);
        return reachable * 2 > all ? reachable : all;
    }

    private IEnumerable<BackendKey> Wanted() => _backends().Select(b => new BackendKey(b.Pool, b.Backend.Id)).ToArray();

    /// <summary>Any thread.</summary>
    private void OnBackendsChanged(ImmutableArray<SpreadBackend> known)
    {
        var byName = known.ToDictionary(b => b.Key);
        (string Pool, Backend Backend)[] own = [.. _backends()];
        foreach ((string pool, var backend) in own)
        {
            if (!byName.TryGetValue(new BackendKey(pool, backend.Id), out var spread)) continue;
            backend.Reference = spread.State is null ? 0 : spread.Reference.Value;
            // What the file takes out stays out; operators can only take out more.
            var state = backend.Options.Down ? AdminState.Down : spread.State ?? AdminState.Up;
            backend.SetAdminState(state, spread.DrainLeft, spread.IsDrainOver, spread.Pacing);
            backend.SetWeight(spread.Weight ?? backend.Options.Weight);
            backend.IsChangeLocal = spread.IsLocal;
        }
        _directory.Set(own.Select(b => b.Backend));
    }

    private ImmutableArray<BackendReport> Collect() =>
    [
        .. _backends().Select(b => b.Backend).Where(b => b.Reference != 0)
            .Select(b => new BackendReport(b.Reference, b.Active, b.Health == HealthState.Down)),
    ];

    private void OnSummed(FleetReport fleet)
    {
        if (Member.Host.Standing.Stage == FleetStage.Member && Member.Map.Members is { } members) _nodes = SharersOf(members);
        NodesCounted?.Invoke(_nodes);
        foreach ((_, var backend) in _backends())
        {
            if (backend.Reference == 0) continue;
            backend.SetRemoteActive(fleet.ConnectionsOf(backend.Reference), fleet.LiveNodes - 1);
            backend.SetFleetHealth(!fleet.Down.Contains(backend.Reference));
        }
    }
}
