using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol.ProxyProtocol;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Dialing;

/// <summary>Composes what a backend gets first: the PROXY header, the upgrade request where it speaks WebSocket, the CONNECT.</summary>
internal static class Greeting
{
    private const int UniqueIdLength = 32;

    // Distinguishes this run of the node in unique ids.
    private static readonly ulong Run = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8));
    private static long s_connections;

    public static void Compose(Session session)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        ReadOnlySpan<byte> connect = setup.Inbound.Bytes[..setup.ConnectLength];
        Span<byte> unique = stackalloc byte[UniqueIdLength];
        var tlvs = Tlvs(session, unique);
        int room = Math.Max(ProxyHeaderReader.MaxV1Length, ProxyHeaderWriter.MaxV2Length(tlvs)) + connect.Length + WebSocketRelay.GreetingRoom(session);
        if (setup.Outbound is null || setup.Outbound.Length < room)
        {
            reactor.ReturnBuffer(ref setup.Outbound);
            setup.Outbound = reactor.Buffers.Rent(room);
        }
        session.WebSocket?.ResetBackend();
        setup.OutboundStart = 0;
        int at = WriteProxyHeader(session, tlvs, setup.Outbound);
        setup.PreambleEnd = at;
        if (session.WebSocket is { FramesBackend: true } webSocket)
        {
            at += webSocket.WriteUpgradeRequest(session, setup.Outbound.AsSpan(at));
            setup.UpgradeEnd = at;
            at += WebSocketRelay.WriteConnect(connect, setup.Outbound.AsSpan(at));
        }
        else
        {
            setup.UpgradeEnd = at;
            connect.CopyTo(setup.Outbound.AsSpan(at));
            at += connect.Length;
        }
        setup.OutboundEnd = at;
    }

    private static int WriteProxyHeader(Session session, in ProxyTlvValues tlvs, Span<byte> into)
    {
        var options = session.Pool.Options;
        if (options.ProxyProtocol == ProxyProtocolVersion.Off) return 0;
        EndpointAddress from = ToAddress(session.Remote), to = ToAddress(session.Local);
        if (options.ProxyProtocol == ProxyProtocolVersion.V1) return ProxyHeaderWriter.WriteV1(into, from, to);
        if (ProxyHeaderWriter.TryWriteV2(into, from, to, tlvs, out int written)) return written;
        // More than the header's length field can hold. Only texts of the client's own choice can be so long: they are left out.
        ProxyHeaderWriter.TryWriteV2(into, from, to, new ProxyTlvValues { Crc32c = tlvs.Crc32c, UniqueId = tlvs.UniqueId }, out written);
        return written;
    }

    /// <summary>What a version 2 header holds besides the addresses; empty where none is sent.</summary>
    /// <param name="unique">Where the unique id is written.</param>
    private static ProxyTlvValues Tlvs(Session session, Span<byte> unique)
    {
        var values = new ProxyTlvValues();
        if (session.Pool.Options.ProxyProtocol != ProxyProtocolVersion.V2) return values;
        var wanted = session.Pool.Options.ProxyTlvs;
        values.Crc32c = wanted.HasFlag(ProxyTlvs.Crc32c);
        if (wanted.HasFlag(ProxyTlvs.UniqueId)) values.UniqueId = unique[..WriteUniqueId(unique)];
        if (!session.Client.Tls.IsNone) AddTls(session, wanted, ref values);
        else if (wanted.HasFlag(ProxyTlvs.Authority) && session.Setup!.Host is { } host) values.Authority = host;
        return values;
    }

    private static int WriteUniqueId(Span<byte> into)
    {
        Span<byte> raw = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(raw, Run);
        BinaryPrimitives.WriteInt64BigEndian(raw[8..], Interlocked.Increment(ref s_connections));
        Convert.TryToHexStringLower(raw, into, out int written);
        return written;
    }

    private static void AddTls(Session session, ProxyTlvs wanted, ref ProxyTlvValues values)
    {
        var tls = session.Client.Tls;
        if (wanted.HasFlag(ProxyTlvs.Alpn)) values.Alpn = Utf8(tls.Alpn());
        if (wanted.HasFlag(ProxyTlvs.Authority)) values.Authority = Utf8(tls.ServerName());
        if (!wanted.HasFlag(ProxyTlvs.Ssl)) return;
        var ssl = tls.ProxyValues();
        values.HasSsl = true;
        values.SslClient = (ProxySslClient)ssl.Client;
        values.SslVerify = ssl.Verify;
        values.SslVersion = Utf8(ssl.Version);
        values.SslCipher = Utf8(ssl.Cipher);
        values.SslCommonName = Utf8(ssl.CommonName);
        values.SslSignatureAlgorithm = Utf8(ssl.SignatureAlgorithm);
        values.SslKeyAlgorithm = Utf8(ssl.KeyAlgorithm);
    }

    private static byte[] Utf8(string? text) => text is null ? [] : Encoding.UTF8.GetBytes(text);

    private static EndpointAddress ToAddress(in NetEndPoint address)
    {
        Span<byte> bytes = stackalloc byte[16];
        return EndpointAddress.FromBytes(bytes[..address.WriteAddress(bytes)], address.Port);
    }
}
