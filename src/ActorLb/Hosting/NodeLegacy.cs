using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Operations;
using ActorLb.Proxying.Reactors;
using ActorLb.Standalone;
using ActorLb.Sticky;

namespace ActorLb.Hosting;

/// <summary>A backend as the process that goes knew it.</summary>
/// <param name="Reference">What the entries of the sticky map call it; 0 is none.</param>
/// <param name="Weight">An operator's; null where it is the file's.</param>
/// <param name="DrainLeft">Seconds to the deadline of a drain; null without one.</param>
/// <param name="DrainRate">Sessions a second that a drain closes; null where it closes none.</param>
internal sealed record LegacyBackend(
    string Pool, string Id, uint Reference, AdminState State, int? Weight, double? DrainLeft, double? DrainRate = null, bool IsDrainPaused = false);

/// <summary>
/// What a node's process leaves to the one that takes its place: listening sockets, and what is in its memory alone. In a fleet the other
/// nodes keep the map, and every node the operator's changes: there are sockets and paused listeners only.
/// </summary>
/// <param name="Paused">Listeners that an operator has paused.</param>
/// <param name="Backends">Of a node by itself.</param>
internal sealed record NodeLegacy(
    ImmutableArray<InheritedListener> Listeners, ImmutableArray<string> Paused, ImmutableArray<LegacyBackend> Backends);

/// <summary>Gives the backends of a node by itself, as they appear, what the process before knew of them.</summary>
internal sealed class LegacyBackends(LocalBackendSlots slots)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Pool, string Id), LegacyBackend> _left = [];
    private readonly List<(Pool Pool, Backend Backend, LegacyBackend Known)> _named = [];

    public void Expect(IEnumerable<LegacyBackend> backends)
    {
        lock (_gate)
        {
            foreach (var backend in backends)
            {
                _left[(backend.Pool, backend.Id)] = backend;
                if (backend.Reference != 0) slots.Reserve(BackendRef.FromValue(backend.Reference));
            }
        }
    }

    /// <summary>Gives those that are there their names.</summary>
    public void Name(IEnumerable<(Pool Pool, Backend Backend)> backends)
    {
        lock (_gate)
        {
            if (_left.Count == 0) return;
            foreach ((var pool, var backend) in backends)
            {
                if (!_left.Remove((pool.Name, backend.Id), out var known)) continue;
                if (known.Reference != 0) slots.Give(backend, BackendRef.FromValue(known.Reference));
                _named.Add((pool, backend, known));
            }
        }
    }

    /// <summary>Puts into force what operators had changed of those that have their names. What the file says did not come from here.</summary>
    public async Task RestoreAsync(IOperatorCommands node)
    {
        (Pool, Backend, LegacyBackend)[] named;
        lock (_gate)
        {
            named = [.. _named];
            _named.Clear();
        }
        foreach ((var pool, var backend, var known) in named)
        {
            if (known.Weight is { } weight) await node.SetWeightAsync(pool, backend, weight, CancellationToken.None).ConfigureAwait(false);
            if (known.State == backend.AdminState) continue;
            TimeSpan? left = known.DrainLeft is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
            if (known.DrainRate is { } rate)
            {
                await node.DrainAtPaceAsync(pool, backend, rate, left, CancellationToken.None).ConfigureAwait(false);
                if (known.IsDrainPaused) await node.SetDrainPausedAsync(pool, backend, paused: true, CancellationToken.None).ConfigureAwait(false);
                continue;
            }
            await node.SetStateAsync(pool, backend, known.State, left, CancellationToken.None).ConfigureAwait(false);
        }
    }

    public void End()
    {
        lock (_gate)
        {
            _left.Clear();
            slots.EndReservations();
        }
    }
}
