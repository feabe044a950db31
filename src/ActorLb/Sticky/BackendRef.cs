namespace ActorLb.Sticky;

/// <summary>
/// A backend's name in the sticky map: a slot and the generation of the backend in it. Removing a backend or flushing its clients
/// increments the generation, which invalidates every entry with the old one without a scan. Generation 0 is never assigned:
/// <c>default</c> is no backend.
/// </summary>
public readonly record struct BackendRef(ushort Slot, ushort Gen)
{
    public static readonly BackendRef None;

    /// <summary>The largest generation, followed by 1. An entry uses the two bits above it for its own state.</summary>
    public const ushort MaxGen = 0x3FFF;

    public bool IsNone => Gen == 0;

    /// <summary>Slot in the high, generation in the low half; 0 is no backend.</summary>
    public uint Value => ((uint)Slot << 16) | Gen;

    public static BackendRef FromValue(uint value) => new((ushort)(value >> 16), (ushort)value);

    public override string ToString() => IsNone ? "none" : $"{Slot}.{Gen}";
}
