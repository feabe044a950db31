using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// The targets of one client context, by the slot number that each connection carries. OpenSSL hands a TLS 1.3 session out only
/// when the ticket arrives, long after the handshake, and only to a callback. Lives as long as the native context.
/// </summary>
internal sealed unsafe class ClientSessions
{
    private static readonly int OwnerIndex = LibCrypto.CRYPTO_get_ex_new_index(ExtraDataOfContexts, 0, 0, 0, 0, &OnContextFreed);

    private readonly Lock _gate = new();

    // Replaced as a whole under the gate; read without it. Slot n is at n - 1.
    private volatile ClientTarget[] _targets = [];

    internal static ClientSessions Install(SslContextHandle context)
    {
        var sessions = new ClientSessions();
        _ = LibSsl.SSL_CTX_set_ex_data(context, OwnerIndex, GCHandle.ToIntPtr(GCHandle.Alloc(sessions)));
        context.Control(CtrlSetSessionCacheMode, SessionCacheClient | SessionCacheNoInternal);
        LibSsl.SSL_CTX_sess_set_new_cb(context, &OnNewSession);
        return sessions;
    }

    internal ClientTarget Add(string name)
    {
        lock (_gate)
        {
            var target = new ClientTarget(name, _targets.Length + 1);
            _targets = [.. _targets, target];
            return target;
        }
    }

    // Returns 1 to keep the reference that comes with the call.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnNewSession(nint ssl, nint session)
    {
        try
        {
            int slot = (int)LibSsl.SSL_get_ex_data(ssl, ClientTarget.SlotIndex);
            if (slot == 0 || LibSsl.SSL_SESSION_is_resumable(session) == 0)
            {
                return 0;
            }

            nint owner = LibSsl.SSL_CTX_get_ex_data(LibSsl.SSL_get_SSL_CTX(ssl), OwnerIndex);
            ((ClientSessions)GCHandle.FromIntPtr(owner).Target!)._targets[slot - 1].Keep(session);
            return 1;
        }
        catch (Exception)
        {
            return 0;
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
        foreach (var target in ((ClientSessions)handle.Target!)._targets)
        {
            target.Keep(0);
        }

        handle.Free();
    }
}
