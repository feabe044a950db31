namespace ActorLb.Proxying.Reactors;

/// <summary>
/// The connection of a session's side where that is no descriptor of the reactor's own. Its calls never block; what comes of the
/// connection later, its reactor reports by the flags of the <see cref="Side"/> and a turn for the session. Used on the reactor alone.
/// </summary>
internal abstract class SideStream
{
    /// <summary>Results as <see cref="Native.Tcp.Receive"/>'s.</summary>
    public abstract int Receive(Span<byte> into);

    /// <summary>As <see cref="Receive"/>, and the bytes are there to be received again.</summary>
    public abstract int Peek(Span<byte> into);

    /// <summary>Results as <see cref="Native.Tcp.Send"/>'s.</summary>
    public abstract int Send(ReadOnlySpan<byte> from);

    /// <summary>Ends this node's direction when all that was sent has gone.</summary>
    public abstract void Finish();

    /// <summary>Ends both directions. What was sent before still goes, for as long as a refused client may take to read its answer.</summary>
    public abstract void Close();
}
