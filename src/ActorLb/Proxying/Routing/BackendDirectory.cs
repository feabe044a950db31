using ActorLb.Balancing;
using ActorLb.Sticky;

namespace ActorLb.Proxying.Routing;

/// <summary>From the sticky map's names of backends to the backends. Written by the control plane, read by the reactors.</summary>
internal sealed class BackendDirectory
{
    private volatile Backend?[] _bySlot = [];

    public static BackendRef ReferenceOf(Backend backend) => BackendRef.FromValue(backend.Reference);

    /// <summary>Null when no backend of this node has that very reference any more.</summary>
    public Backend? Find(BackendRef reference)
    {
        var bySlot = _bySlot;
        return reference.Slot < bySlot.Length && bySlot[reference.Slot] is { } backend && backend.Reference == reference.Value ? backend : null;
    }

    /// <summary>Replaces the whole directory by the backends that have a reference.</summary>
    public void Set(IEnumerable<Backend> backends)
    {
        Backend[] named = [.. backends.Where(b => b.Reference != 0)];
        var bySlot = new Backend?[named.Length == 0 ? 0 : named.Max(b => ReferenceOf(b).Slot) + 1];
        foreach (var backend in named) bySlot[ReferenceOf(backend).Slot] = backend;
        _bySlot = bySlot;
    }
}
