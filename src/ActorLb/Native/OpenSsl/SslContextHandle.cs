using ActorLb.Tls;
using Microsoft.Win32.SafeHandles;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// Owns one reference to an SSL_CTX. Every connection made from it holds another, so that closing the handle
/// leaves the connections which are open undisturbed.
/// </summary>
internal sealed class SslContextHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private SslContextHandle(nint context)
        : base(ownsHandle: true) => SetHandle(context);

    /// <summary>A context with the settings that servers and clients share.</summary>
    internal static SslContextHandle Create(bool server)
    {
        try
        {
            // Before the first use: the library must not be torn down by the process's exit while threads still use it.
            _ = LibSsl.OPENSSL_init_ssl(InitNoAtExit, 0);
        }
        catch (DllNotFoundException)
        {
            throw new TlsConfigurationException([new TlsProblem(TlsSetting.None, null, "OpenSSL 3 (libssl.so.3, libcrypto.so.3) is not installed")]);
        }

        LibCrypto.ERR_clear_error();
        nint context = LibSsl.SSL_CTX_new(server ? LibSsl.TLS_server_method() : LibSsl.TLS_client_method());
        if (context == 0)
        {
            throw new TlsConfigurationException([new TlsProblem(TlsSetting.None, null, $"OpenSSL cannot make a context: {OpenSslErrors.Take()}")]);
        }

        var created = new SslContextHandle(context);
        created.ApplyCommonSettings();
        return created;
    }

    internal bool Control(int command, nint number, nint pointer = 0) => LibSsl.SSL_CTX_ctrl(this, command, number, pointer) > 0;

    protected override bool ReleaseHandle()
    {
        LibSsl.SSL_CTX_free(handle);
        return true;
    }

    private unsafe void ApplyCommonSettings()
    {
        // Released buffers give an idle connection's 33 KB back; the write buffer may move because replayed bytes are kept
        // elsewhere than the bytes of the first attempt.
        Control(CtrlSetMode, ModeEnablePartialWrite | ModeAcceptMovingWriteBuffer | ModeAutoRetry | ModeReleaseBuffers | ModeNoAutoChain);
        Control(CtrlSetReadAhead, 1);
        // Clients of MQTT close without close_notify more often than with it; the MQTT layer knows whether a message was cut.
        _ = LibSsl.SSL_CTX_set_options(this, OptionNoRenegotiation | OptionNoCompression | OptionIgnoreUnexpectedEof);
        LibSsl.SSL_CTX_set_info_callback(this, &TlsAlert.OnInfo);
    }
}
