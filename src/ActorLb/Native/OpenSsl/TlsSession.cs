using System.Runtime.InteropServices;
using ActorLb.Tls;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// TLS on one nonblocking descriptor: a pointer to an SSL*, so that it fits an unmanaged connection record and costs no object.
/// Ownership: copies are the same connection; one party at a time may call it, and exactly one calls <see cref="Dispose"/>, once,
/// before it closes the descriptor, and overwrites its copy with <c>default</c>.
/// </summary>
internal readonly unsafe struct TlsSession : IDisposable
{
    // Half the room of OpenSSL's read buffer, which holds a record of 16 KiB.
    private const ulong ShortRead = 8192;

    [ThreadStatic] private static string? s_lastError;

    private readonly nint _ssl;

    internal TlsSession(nint ssl) => _ssl = ssl;

    /// <summary>True for <c>default</c>: no TLS on this connection.</summary>
    public bool IsNone => _ssl == 0;

    /// <summary>Why the calling thread's last call returned <see cref="TlsIoStatus.Error"/>; read it before the next call.</summary>
    public static string LastError => s_lastError ?? "none";

    internal nint Pointer => _ssl;

    /// <summary>Goes on with the handshake until it is complete, fails, or has to wait for the descriptor.</summary>
    public HandshakeOutcome Handshake()
    {
        OpenSslErrors.Forget();
        TlsAlert.Forget(TlsAlert.MaxMessages);
        int result = LibSsl.SSL_do_handshake(_ssl);
        if (result == 1)
        {
            return new HandshakeOutcome(HandshakeStatus.Done);
        }

        int errno = Marshal.GetLastSystemError();
        int error = LibSsl.SSL_get_error(_ssl, result);
        switch (error)
        {
            case ErrorWantRead:
                return new HandshakeOutcome(HandshakeStatus.WantRead);
            case ErrorWantWrite:
                return new HandshakeOutcome(HandshakeStatus.WantWrite);
            default:
                int alert = TlsAlert.Last;
                return new HandshakeOutcome(HandshakeStatus.Failed, DescribeHandshakeFailure(error, errno), alert);
        }
    }

    /// <summary>
    /// Reads at most one record's rest. The descriptor is edge triggered and OpenSSL reads ahead: call until it says
    /// <see cref="TlsIoStatus.WantRead"/> or the result is drained, and after a pause for back-pressure call again without waiting for an event.
    /// </summary>
    /// <param name="buffer">Not empty.</param>
    public TlsIoResult Read(Span<byte> buffer)
    {
        OpenSslErrors.Forget();
        TlsAlert.Forget(TlsAlert.MaxMessagesOfRead);
        nint bio = LibSsl.SSL_get_rbio(_ssl);
        ulong before = LibCrypto.BIO_number_read(bio);
        int count;
        fixed (byte* bytes = buffer)
        {
            count = LibSsl.SSL_read(_ssl, bytes, buffer.Length);
        }

        if (count <= 0)
        {
            return WhyNot(count);
        }

        // Reading ahead, OpenSSL asks for a whole record's room at once when it holds nothing. A small record that came by this very
        // call with nothing behind it was therefore a short read, and a short read has emptied the socket (epoll(7)).
        ulong came = LibCrypto.BIO_number_read(bio) - before;
        bool drained = came < ShortRead && (ulong)count < came && LibSsl.SSL_has_pending(_ssl) == 0;
        return new TlsIoResult(count, TlsIoStatus.Ok, drained);
    }

    /// <summary>
    /// Writes at most one record (16 KiB). After <see cref="TlsIoStatus.WantWrite"/> a record made of these bytes waits inside:
    /// the next call must bring the same bytes again, at any address, and may add more behind them.
    /// </summary>
    /// <param name="buffer">Not empty.</param>
    public TlsIoResult Write(ReadOnlySpan<byte> buffer)
    {
        OpenSslErrors.Forget();
        int count;
        fixed (byte* bytes = buffer)
        {
            count = LibSsl.SSL_write(_ssl, bytes, buffer.Length);
        }

        return count > 0 ? new TlsIoResult(count, TlsIoStatus.Ok) : WhyNot(count);
    }

    /// <summary>True if a server has not had the whole hello yet, so that its signature is still to be made.</summary>
    public bool AwaitsHello => LibSsl.SSL_get_state(_ssl) is StateBefore or StateReadsClientHello;

    /// <summary>True if bytes wait inside OpenSSL, so that no event of the descriptor will report them.</summary>
    public bool HasPending => LibSsl.SSL_has_pending(_ssl) != 0;

    /// <summary>
    /// Sends close_notify, once the last <see cref="Write"/> has gone through, and does not wait for the peer's.
    /// Ok when it is sent; a half that the peer still writes can be read on.
    /// </summary>
    public TlsIoStatus Shutdown()
    {
        if (LibSsl.SSL_is_init_finished(_ssl) == 0)
        {
            // RFC 8446, section 6.1: close_notify ends a stream; before the handshake's end there is none.
            return TlsIoStatus.Ok;
        }

        OpenSslErrors.Forget();
        int result = LibSsl.SSL_shutdown(_ssl);
        return result >= 0 ? TlsIoStatus.Ok : WhyNot(result).Status;
    }

    /// <summary>Frees the connection's TLS state; the descriptor stays open. Nothing is sent.</summary>
    public void Dispose()
    {
        if (_ssl == 0)
        {
            return;
        }

        // Else OpenSSL takes the session of a connection without close_notify out of the cache, and the client that lost its
        // network could not resume. A fatal alert has removed the session by now.
        LibSsl.SSL_set_shutdown(_ssl, SentShutdown | ReceivedShutdown);
        LibSsl.SSL_free(_ssl);
    }

    private TlsIoResult WhyNot(int result)
    {
        int errno = Marshal.GetLastSystemError();
        int error = LibSsl.SSL_get_error(_ssl, result);
        switch (error)
        {
            case ErrorWantRead:
                return new TlsIoResult(0, TlsIoStatus.WantRead);
            case ErrorWantWrite:
                return new TlsIoResult(0, TlsIoStatus.WantWrite);
            case ErrorZeroReturn:
                return new TlsIoResult(0, TlsIoStatus.Closed);
            default:
                s_lastError = OpenSslErrors.Take() ?? DescribeErrno(errno) ?? "connection closed";
                return new TlsIoResult(0, TlsIoStatus.Error);
        }
    }

    private string DescribeHandshakeFailure(int error, int errno)
    {
        string? reason = OpenSslErrors.Take();
        if (error != ErrorSsl || reason is null)
        {
            reason ??= error == ErrorSyscall ? DescribeErrno(errno) : null;
            return reason ?? "the peer closed the connection during the handshake";
        }

        if (reason.StartsWith("certificate verify failed", StringComparison.Ordinal))
        {
            reason += ": " + OpenSslErrors.Text(LibCrypto.X509_verify_cert_error_string(LibSsl.SSL_get_verify_result(_ssl)));
        }

        return TlsAlert.Describe() is { } alert ? $"{reason} ({alert})" : reason;
    }

    private static string? DescribeErrno(int errno) => errno == 0 ? null : Marshal.GetPInvokeErrorMessage(errno);
}
