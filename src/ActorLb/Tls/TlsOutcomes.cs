using ActorLb.Native.OpenSsl;

namespace ActorLb.Tls;

internal enum HandshakeStatus
{
    /// <summary>Complete; <see cref="TlsSession"/>'s values can be read.</summary>
    Done,

    /// <summary>Step again when the descriptor is readable.</summary>
    WantRead,

    /// <summary>Step again when the descriptor is writable.</summary>
    WantWrite,

    /// <summary>The connection cannot be used; an alert has been sent if the protocol asks for one.</summary>
    Failed,
}

/// <summary>The outcome of one handshake step.</summary>
/// <param name="Reason">Why it failed, with the alert that was sent or received; null otherwise.</param>
/// <param name="Alert">Number of that alert (RFC 8446, section 6), or -1.</param>
internal readonly record struct HandshakeOutcome(HandshakeStatus Status, string? Reason = null, int Alert = -1);

internal enum TlsIoStatus
{
    /// <summary>At least one byte was moved.</summary>
    Ok,

    /// <summary>Nothing was moved: call again with the same bytes when the descriptor is readable.</summary>
    WantRead,

    /// <summary>Nothing was moved: call again with the same bytes when the descriptor is writable.</summary>
    WantWrite,

    /// <summary>The peer ended the stream, by close_notify or by FIN alone.</summary>
    Closed,

    /// <summary>The connection is lost; <see cref="TlsSession.LastError"/> says why.</summary>
    Error,
}

/// <param name="Count">Bytes moved; 0 unless the status is <see cref="TlsIoStatus.Ok"/>.</param>
/// <param name="Drained">The descriptor held no more when this was read: an event will report what comes next.</param>
internal readonly record struct TlsIoResult(int Count, TlsIoStatus Status, bool Drained = false);
