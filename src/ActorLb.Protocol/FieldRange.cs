namespace ActorLb.Protocol;

/// <summary>Where a field lies in the bytes of its message. No field begins a message, so offset 0 stands for an absent one.</summary>
public readonly record struct FieldRange(int Offset, int Length)
{
    public bool IsPresent => Offset != 0;

    /// <summary>Offset behind the last byte.</summary>
    public int End => Offset + Length;

    /// <summary>The field's bytes; empty when it is absent.</summary>
    public ReadOnlySpan<byte> In(ReadOnlySpan<byte> message) => message.Slice(Offset, Length);
}
