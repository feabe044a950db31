using System.Net;
using System.Text;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>A server name that connections are made to, and its last session.</summary>
internal sealed unsafe class ClientTarget
{
    // SSL_set_app_data: index 0 belongs to the application.
    internal const int SlotIndex = 0;

    private readonly byte[] _name;
    private readonly byte[]? _address;
    private readonly int _slot;
    private readonly Lock _gate = new();

    // Under the gate: a reference of its own to an SSL_SESSION, or 0.
    private nint _session;

    /// <param name="slot">By which <see cref="ClientSessions"/> finds this target again; 0 keeps no session.</param>
    internal ClientTarget(string name, int slot)
    {
        _name = Encoding.UTF8.GetBytes(name + "\0");
        _address = IPAddress.TryParse(name, out var address) ? address.GetAddressBytes() : null;
        _slot = slot;
    }

    /// <summary>Sets server_name (RFC 6066, section 3: never an address), the name to verify, and the session to resume.</summary>
    internal bool Aim(nint ssl, bool verify)
    {
        fixed (byte* name = _name, address = _address)
        {
            nuint nameLength = (nuint)(_name.Length - 1);
            if (_address is null && LibSsl.SSL_ctrl(ssl, CtrlSetHostName, 0, (nint)name) != 1)
            {
                return false;
            }

            if (verify)
            {
                nint parameters = LibSsl.SSL_get0_param(ssl);
                int set = _address is null
                    ? LibCrypto.X509_VERIFY_PARAM_set1_host(parameters, name, nameLength)
                    : LibCrypto.X509_VERIFY_PARAM_set1_ip(parameters, address, (nuint)_address.Length);
                if (set != 1)
                {
                    return false;
                }
            }
        }

        if (_slot == 0)
        {
            return true;
        }

        _ = LibSsl.SSL_set_ex_data(ssl, SlotIndex, _slot);
        lock (_gate)
        {
            if (_session != 0)
            {
                // OpenSSL marks a TLS 1.3 session as used up by its first handshake, and what it copies from it too; servers
                // take a ticket as often as it comes (RFC 8446, appendix C.4 minds only being recognised).
                nint copy = LibSsl.SSL_SESSION_dup(_session);
                if (copy != 0)
                {
                    _ = LibSsl.SSL_set_session(ssl, copy);
                    LibSsl.SSL_SESSION_free(copy);
                }
            }
        }

        return true;
    }

    /// <summary>Takes over the caller's reference to a new session; 0 forgets the one that is kept.</summary>
    internal void Keep(nint session)
    {
        nint old;
        lock (_gate)
        {
            old = _session;
            _session = session;
        }

        if (old != 0)
        {
            LibSsl.SSL_SESSION_free(old);
        }
    }
}
