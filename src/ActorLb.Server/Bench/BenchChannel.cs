using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Protocol.Mqtt;
using MQTTnet;
using MQTTnet.Formatter;

namespace ActorLb.Server.Bench;

/// <summary>How the MQTT library connects to a target: over TCP, TLS, WebSocket or WebSocket over TLS.</summary>
internal static class BenchChannel
{
    /// <summary>The library sets a buffer size, by default a small one; this is the most that Linux grants a program, and is allocated
    /// only when needed.</summary>
    private const int SocketBuffer = 208 * 1024;

    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1"; // RFC 5280, 4.2.1.12

    /// <summary>Shared by all clients of the target.</summary>
    public static MqttClientOptions To(BenchTarget target) => new()
    {
        ProtocolVersion = target.Version switch
        {
            MqttVersion.V31 => MqttProtocolVersion.V310,
            MqttVersion.V5 => MqttProtocolVersion.V500,
            _ => MqttProtocolVersion.V311,
        },
        // Each message is sent with one call and, over TLS and WebSocket, in one record and frame.
        AllowPacketFragmentation = false,
        WriterBufferSize = 256,
        ChannelOptions = target.WebSocketPath is null ? Bytes(target) : WebSocket(target),
    };

    private static MqttClientTcpOptions Bytes(BenchTarget target) => new()
    {
        RemoteEndpoint = new DnsEndPoint(target.Host, target.Port),
        BufferSize = SocketBuffer,
        // By default closing resets the connection, which may discard the DISCONNECT.
        LingerState = new LingerOption(enable: false, seconds: 0),
        TlsOptions = Tls(target),
    };

    private static MqttClientWebSocketOptions WebSocket(BenchTarget target)
    {
        var options = new MqttClientWebSocketOptions
        {
            Uri = new UriBuilder(target.Tls is null ? "ws" : "wss", target.Host, target.Port, target.WebSocketPath).Uri.ToString(),
            // WebSocket's own keep-alive would add to MQTT's, and a bench does not go through a proxy.
            KeepAliveInterval = TimeSpan.Zero,
            ProxyOptions = new MqttClientWebSocketProxyOptions(),
            TlsOptions = Tls(target),
        };
        // TLS takes the server name from Host, whatever address is dialled.
        if (target.Tls?.ServerName is { } name)
            options.RequestHeaders = new Dictionary<string, string>(StringComparer.Ordinal) { ["Host"] = string.Create(CultureInfo.InvariantCulture, $"{name}:{target.Port}") };
        return options;
    }

    private static MqttClientTlsOptions Tls(BenchTarget target)
    {
        if (target.Tls is not { } tls) return new MqttClientTlsOptions();
        return new MqttClientTlsOptions
        {
            UseTls = true,
            SslProtocol = SslProtocols.None, // what the system allows
            TargetHost = tls.ServerName ?? target.Host,
            TrustChain = tls.Authorities,
            RevocationMode = X509RevocationMode.NoCheck,
            ClientCertificatesProvider = tls.Certificate is { } own ? new DefaultMqttCertificatesProvider([own]) : null,
            CertificateValidationHandler = seen => Accept(tls, tls.ServerName ?? target.Host, seen),
        };
    }

    /// <exception cref="BenchFailure">The certificate is not accepted, with the reason.</exception>
    private static bool Accept(BenchTls tls, string name, MqttClientCertificateValidationEventArgs seen)
    {
        if (tls.Insecure) return true; // asked for by --insecure
        if (seen.SslPolicyErrors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable)) throw new BenchFailure("TLS handshake: the server presents no certificate");
        if (seen.SslPolicyErrors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) throw new BenchFailure($"TLS handshake: the server's certificate is not for {name}");
        if (!seen.SslPolicyErrors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors)) return true;
        var flags = tls.Authorities is { } authorities && seen.ClientOptions is MqttClientWebSocketOptions
            ? FlagsUnder(authorities, seen)
            : Flags(seen.Chain);
        if (flags == X509ChainStatusFlags.NoError) return true;
        throw new BenchFailure("TLS handshake: the server's certificate " + (flags.HasFlag(X509ChainStatusFlags.NotTimeValid)
            ? "has expired or is not valid yet"
            : tls.Authorities is null ? "is not from an authority that this system trusts: name one with --ca" : "is not from an authority in --ca"));
    }

    /// <summary>The library passes its own list of authorities only to TLS over TCP.</summary>
    private static X509ChainStatusFlags FlagsUnder(X509Certificate2Collection authorities, MqttClientCertificateValidationEventArgs seen)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.ExtraStore.AddRange(seen.Chain.ChainPolicy.ExtraStore);
        return chain.Build((X509Certificate2)seen.Certificate) ? X509ChainStatusFlags.NoError : Flags(chain);
    }

    private static X509ChainStatusFlags Flags(X509Chain chain) => chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
}
