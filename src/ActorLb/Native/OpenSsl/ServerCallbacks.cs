using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ActorLb.Tls;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// What OpenSSL asks a server during handshakes: which certificate, which application protocol, which ticket key.
/// Lives as long as the native default context, which every connection made from it holds: a handshake that outlives a reload
/// still finds it. The context's destructor then frees it and the contexts of the other names.
/// </summary>
internal sealed unsafe class ServerCallbacks
{
    // SSL_CTX_set_app_data: index 0 belongs to the application.
    private const int ApplicationData = 0;

    private static readonly int OwnerIndex = LibCrypto.CRYPTO_get_ex_new_index(ExtraDataOfContexts, 0, 0, 0, 0, &OnContextFreed);

    private readonly ServerNames _names;
    private readonly ImmutableArray<SslContextHandle> _contexts;
    private readonly ImmutableArray<byte[]> _applicationProtocols;
    private readonly bool _refusesOtherProtocols;
    private readonly TicketKeyRing _ticketKeys;

    private ServerCallbacks(
        ServerNames names, ImmutableArray<SslContextHandle> contexts, ImmutableArray<byte[]> applicationProtocols,
        bool refusesOtherProtocols, TicketKeyRing ticketKeys)
    {
        _names = names;
        _contexts = contexts;
        _applicationProtocols = applicationProtocols;
        _refusesOtherProtocols = refusesOtherProtocols;
        _ticketKeys = ticketKeys;
    }

    /// <param name="contexts">The default first; the others are owned from here on.</param>
    /// <param name="applicationProtocols">In the server's order of preference.</param>
    /// <param name="refusesOtherProtocols">A client that offers protocols, but none of these, is refused.</param>
    internal static void Install(
        ServerNames names, ImmutableArray<SslContextHandle> contexts, ImmutableArray<byte[]> applicationProtocols,
        bool refusesOtherProtocols, TicketKeyRing ticketKeys)
    {
        var callbacks = new ServerCallbacks(names, contexts[1..], applicationProtocols, refusesOtherProtocols, ticketKeys);
        nint self = GCHandle.ToIntPtr(GCHandle.Alloc(callbacks));
        _ = LibSsl.SSL_CTX_set_ex_data(contexts[0], OwnerIndex, self);
        foreach (var context in contexts)
        {
            // A connection whose name chose another context asks that one from then on.
            _ = LibSsl.SSL_CTX_set_ex_data(context, ApplicationData, self);
            _ = LibSsl.SSL_CTX_callback_ctrl(
                context, CtrlSetServerNameCallback, (nint)(delegate* unmanaged[Cdecl]<nint, int*, nint, int>)&OnServerName);
            context.Control(CtrlSetServerNameArgument, 0, self);
            LibSsl.SSL_CTX_set_alpn_select_cb(context, &OnApplicationProtocols, self);
            _ = LibSsl.SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &OnTicket);
        }
    }

    private static ServerCallbacks From(nint handle) => (ServerCallbacks)GCHandle.FromIntPtr(handle).Target!;

    // An exception must not cross native frames, so each callback answers any with its "carry on" or "fail this one".

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnServerName(nint ssl, int* alert, nint argument)
    {
        try
        {
            nint name = LibSsl.SSL_get_servername(ssl, 0);
            if (name == 0)
            {
                return ExtensionNoAck;
            }

            var context = From(argument)._names.Find(MemoryMarshal.CreateReadOnlySpanFromNullTerminated((byte*)name));
            if (context is not null)
            {
                // The handle is not closed before the default context is freed, and this connection holds that one.
                _ = LibSsl.SSL_set_SSL_CTX(ssl, context.DangerousGetHandle());
            }

            return ExtensionOk;
        }
        catch (Exception)
        {
            return ExtensionNoAck;
        }
    }

    // RFC 7301, section 3.2: a client that offers protocols, none of which is spoken here, gets the alert no_application_protocol.
    // A listener that passes bytes on unseen does not know what it speaks, and goes on without.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnApplicationProtocols(nint ssl, byte** chosen, byte* chosenLength, byte* offered, uint offeredLength, nint argument)
    {
        try
        {
            var callbacks = From(argument);
            foreach (byte[] protocol in callbacks._applicationProtocols)
            {
                for (uint at = 0; at < offeredLength; at += 1u + offered[at])
                {
                    int length = offered[at];
                    if (at + 1 + length <= offeredLength && new ReadOnlySpan<byte>(offered + at + 1, length).SequenceEqual(protocol))
                    {
                        *chosen = offered + at + 1;
                        *chosenLength = (byte)length;
                        return ExtensionOk;
                    }
                }
            }

            return callbacks._refusesOtherProtocols ? ExtensionAlertFatal : ExtensionNoAck;
        }
        catch (Exception)
        {
            return ExtensionNoAck;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnTicket(nint ssl, byte* name, byte* iv, nint cipher, nint mac, int encrypt)
    {
        try
        {
            var ring = From(LibSsl.SSL_CTX_get_ex_data(LibSsl.SSL_get_SSL_CTX(ssl), ApplicationData))._ticketKeys;
            return encrypt != 0
                ? TicketCipher.Encrypt(ring, name, iv, cipher, mac)
                : TicketCipher.Decrypt(ring, name, iv, cipher, mac, single: LibSsl.SSL_version(ssl) >= Tls13);
        }
        catch (Exception)
        {
            return TicketCipher.Failed;
        }
    }

    // Called for every context of the process; those that are not ours have no data at the index.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnContextFreed(nint context, nint data, nint all, int index, nint number, nint pointer)
    {
        if (data == 0)
        {
            return;
        }

        var handle = GCHandle.FromIntPtr(data);
        foreach (var other in ((ServerCallbacks)handle.Target!)._contexts)
        {
            other.Dispose();
        }

        handle.Free();
    }
}
