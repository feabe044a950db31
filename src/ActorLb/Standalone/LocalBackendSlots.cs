using ActorLb.Balancing;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;

namespace ActorLb.Standalone;

/// <summary>Gives the backends of a node without a fleet their slots in the sticky map. Called by the control plane.</summary>
internal sealed class LocalBackendSlots(BackendSlots slots, BackendDirectory directory)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Backend, BackendRef> _given = [];
    private readonly Dictionary<ushort, ushort> _generations = [];
    private readonly HashSet<BackendRef> _reserved = [];

    /// <summary>Keeps names for backends that will come: entries of the map that name them are valid until then.</summary>
    public void Reserve(BackendRef reference)
    {
        lock (_gate)
        {
            _reserved.Add(reference);
            _generations[reference.Slot] = reference.Gen;
            slots.Set(reference, AdminState.Up);
        }
    }

    /// <summary>Gives a backend a name that was kept; its next <see cref="Update"/> puts it into force.</summary>
    public void Give(Backend backend, BackendRef reference)
    {
        lock (_gate)
        {
            if (!_reserved.Remove(reference) || !_given.TryAdd(backend, reference)) return;
            backend.Reference = reference.Value;
        }
    }

    /// <summary>Names that are still kept are given up: their backends are gone.</summary>
    public void EndReservations()
    {
        lock (_gate)
        {
            foreach (var reference in _reserved) slots.Clear(reference.Slot);
            _reserved.Clear();
        }
    }

    /// <summary>Makes slots and directory agree with the backends that there are.</summary>
    public void Update(IEnumerable<Backend> backends)
    {
        lock (_gate)
        {
            var present = backends.ToHashSet();
            foreach ((var gone, var reference) in _given.Where(g => !present.Contains(g.Key)).ToArray())
            {
                slots.Clear(reference.Slot);
                gone.Reference = 0;
                _given.Remove(gone);
            }
            foreach (var backend in present)
            {
                if (!_given.TryGetValue(backend, out var reference))
                {
                    reference = NextFree();
                    _given.Add(backend, reference);
                    backend.Reference = reference.Value;
                }
                Set(reference, backend);
            }
            directory.Set(present);
        }
    }

    /// <summary>Forgets the backend's clients: a new generation makes every entry that names the old one invalid.</summary>
    public void Flush(Backend backend)
    {
        lock (_gate)
        {
            if (!_given.TryGetValue(backend, out var reference)) return;
            ushort generation = NextGeneration(reference.Slot);
            var next = new BackendRef(reference.Slot, generation);
            _given[backend] = next;
            Set(next, backend);
            backend.Reference = next.Value;
        }
    }

    private void Set(BackendRef reference, Backend backend) => slots.Set(reference, backend.AdminState, isPaced: backend.Pacing is not null);

    private BackendRef NextFree()
    {
        var used = _given.Values.Concat(_reserved).Select(r => r.Slot).ToHashSet();
        ushort slot = 0;
        while (used.Contains(slot)) slot++;
        return new BackendRef(slot, NextGeneration(slot));
    }

    private ushort NextGeneration(ushort slot)
    {
        ushort generation = (ushort)(_generations.GetValueOrDefault(slot) + 1);
        if (generation > BackendRef.MaxGen) generation = 1;
        _generations[slot] = generation;
        return generation;
    }
}
