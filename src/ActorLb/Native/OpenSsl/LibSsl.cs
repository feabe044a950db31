using System.Runtime.InteropServices;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// The functions of libssl that are used, with the C library's own names and blittable parameters.
/// Only those that neither wait, nor call back, nor do more than read a few fields skip the garbage collector's transition.
/// </summary>
internal static unsafe partial class LibSsl
{
    private const string Library = "libssl.so.3";

    // ---- library and contexts ----
    [LibraryImport(Library)] internal static partial int OPENSSL_init_ssl(ulong options, nint settings);
    [LibraryImport(Library)] internal static partial nint TLS_server_method();
    [LibraryImport(Library)] internal static partial nint TLS_client_method();
    [LibraryImport(Library)] internal static partial nint SSL_CTX_new(nint method);
    [LibraryImport(Library)] internal static partial void SSL_CTX_free(nint context);
    [LibraryImport(Library)] internal static partial nint SSL_CTX_ctrl(SslContextHandle context, int command, nint number, nint pointer);
    [LibraryImport(Library)] internal static partial ulong SSL_CTX_set_options(SslContextHandle context, ulong options);
    [LibraryImport(Library)] internal static partial int SSL_CTX_set_ex_data(SslContextHandle context, int index, nint data);
    [LibraryImport(Library)] internal static partial nint SSL_CTX_get_ex_data(nint context, int index);
    [LibraryImport(Library)] internal static partial nint SSL_CTX_callback_ctrl(SslContextHandle context, int command, nint callback);

    // ---- protocol settings ----
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int SSL_CTX_set_cipher_list(SslContextHandle context, string ciphers);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int SSL_CTX_set_ciphersuites(SslContextHandle context, string suites);
    [LibraryImport(Library)] internal static partial int SSL_CTX_get_security_level(SslContextHandle context);
    [LibraryImport(Library)] internal static partial nuint SSL_CTX_set_timeout(SslContextHandle context, nuint seconds);
    [LibraryImport(Library)] internal static partial int SSL_CTX_set_num_tickets(SslContextHandle context, nuint count);
    [LibraryImport(Library)] private static partial int SSL_CTX_set_session_id_context(SslContextHandle context, byte* id, uint length);

    internal static void SetSessionIdContext(SslContextHandle context, ReadOnlySpan<byte> id)
    {
        fixed (byte* first = id) _ = SSL_CTX_set_session_id_context(context, first, (uint)id.Length);
    }

    [LibraryImport(Library)]
    internal static partial void SSL_CTX_set_info_callback(
        SslContextHandle context, delegate* unmanaged[Cdecl]<nint, int, int, void> callback);
    [LibraryImport(Library)]
    internal static partial void SSL_CTX_set_alpn_select_cb(
        SslContextHandle context, delegate* unmanaged[Cdecl]<nint, byte**, byte*, byte*, uint, nint, int> callback, nint argument);
    [LibraryImport(Library)]
    internal static partial int SSL_CTX_set_tlsext_ticket_key_evp_cb(
        SslContextHandle context, delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint, nint, int, int> callback);
    [LibraryImport(Library)]
    internal static partial void SSL_CTX_sess_set_new_cb(SslContextHandle context, delegate* unmanaged[Cdecl]<nint, nint, int> callback);

    // ---- certificates and verification ----
    [LibraryImport(Library)] internal static partial int SSL_CTX_use_certificate(SslContextHandle context, nint certificate);
    [LibraryImport(Library)] internal static partial int SSL_CTX_use_PrivateKey(SslContextHandle context, nint key);
    [LibraryImport(Library)] internal static partial void SSL_CTX_set_verify(SslContextHandle context, int mode, nint callback);
    [LibraryImport(Library)] internal static partial void SSL_CTX_set_verify_depth(SslContextHandle context, int depth);
    [LibraryImport(Library)] internal static partial nint SSL_CTX_get_cert_store(SslContextHandle context);
    [LibraryImport(Library)] internal static partial int SSL_CTX_set_default_verify_paths(SslContextHandle context);
    [LibraryImport(Library)] internal static partial int SSL_CTX_add_client_CA(SslContextHandle context, nint certificate);

    // ---- connections ----
    [LibraryImport(Library)] internal static partial nint SSL_new(SslContextHandle context);
    [LibraryImport(Library)] internal static partial void SSL_free(nint ssl);
    [LibraryImport(Library)] internal static partial int SSL_set_fd(nint ssl, int descriptor);
    [LibraryImport(Library)] internal static partial void SSL_set_accept_state(nint ssl);
    [LibraryImport(Library)] internal static partial void SSL_set_connect_state(nint ssl);
    [LibraryImport(Library)] internal static partial int SSL_do_handshake(nint ssl);
    [LibraryImport(Library)] internal static partial int SSL_read(nint ssl, byte* buffer, int count);
    [LibraryImport(Library)] internal static partial int SSL_write(nint ssl, byte* buffer, int count);
    [LibraryImport(Library)] internal static partial int SSL_shutdown(nint ssl);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int SSL_get_error(nint ssl, int result);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int SSL_has_pending(nint ssl);
    [LibraryImport(Library), SuppressGCTransition] internal static partial nint SSL_get_rbio(nint ssl);
    [LibraryImport(Library), SuppressGCTransition] internal static partial void SSL_set_shutdown(nint ssl, int mode);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int SSL_is_init_finished(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_ctrl(nint ssl, int command, nint number, nint pointer);
    [LibraryImport(Library)] internal static partial nint SSL_get_SSL_CTX(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_set_SSL_CTX(nint ssl, nint context);
    [LibraryImport(Library)] internal static partial int SSL_set_ex_data(nint ssl, int index, nint data);
    [LibraryImport(Library)] internal static partial nint SSL_get_ex_data(nint ssl, int index);
    [LibraryImport(Library)] internal static partial int SSL_set_session(nint ssl, nint session);
    [LibraryImport(Library)] internal static partial nint SSL_SESSION_dup(nint session);
    [LibraryImport(Library)] internal static partial void SSL_SESSION_free(nint session);
    [LibraryImport(Library)] internal static partial int SSL_SESSION_is_resumable(nint session);
    [LibraryImport(Library)] internal static partial nint SSL_get0_param(nint ssl);
    [LibraryImport(Library)] internal static partial int SSL_set_alpn_protos(nint ssl, byte* protocols, uint length);

    // ---- what a handshake agreed on ----
    [LibraryImport(Library)] internal static partial nint SSL_get_version(nint ssl);
    [LibraryImport(Library)] internal static partial int SSL_version(nint ssl);
    [LibraryImport(Library)] internal static partial int SSL_get_state(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_get_current_cipher(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_CIPHER_get_name(nint cipher);
    [LibraryImport(Library)] internal static partial nint SSL_get_servername(nint ssl, int type);
    [LibraryImport(Library)] internal static partial void SSL_get0_alpn_selected(nint ssl, byte** protocol, uint* length);
    [LibraryImport(Library)] internal static partial int SSL_session_reused(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_get_verify_result(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_get0_peer_certificate(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_get_certificate(nint ssl);
    [LibraryImport(Library)] internal static partial nint SSL_alert_desc_string_long(int alert);
}
