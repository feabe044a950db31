namespace ActorLb.Protocol;

/// <summary>Where a field lies in the bytes of its message. No field is at the start of a message, so offset 0 means absent.</summary>
public readonly record struct FieldRange(int Offset, int Length)
{
    public bool IsPresent => Offset != 0;

    /// <summary>Offset after the last byte.</summary>
    public int End => Offset + Length;

    /// <summary>The field's bytes; empty when it is absent.</summary>
    public ReadOnlySpan<byte> In(ReadOnlySpan<byte> message) => message.Slice(Offset, Length);
}
