using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Effective;

/// <summary>A listener as HOCON.</summary>
internal static class EffectiveListener
{
    public static void Write(ConfigurationWriter writer, ListenerOptions listener)
    {
        writer.Begin(listener.Name);
        writer.Text("bind", listener.Bind.ToString());
        writer.Text("pool", listener.Pool);
        writer.Name("protocol", listener.Protocol, ConfigurationNames.Protocol);
        WriteTls(writer, listener.Tls);
        WriteWebSocket(writer, listener.WebSocket);
        writer.Begin("rewrite");
        writer.Template("client-id", listener.Rewrite.ClientId);
        if (listener.Rewrite.RemovesUserName) writer.Raw("username", "remove");
        else writer.Template("username", listener.Rewrite.UserName);
        if (listener.Rewrite.RemovesPassword) writer.Raw("password", "remove");
        else writer.Template("password", listener.Rewrite.Password, secret: true);
        writer.End();
        WriteAcceptProxy(writer, listener.AcceptProxyFrom);
        writer.Duration("connect-timeout", listener.ConnectTimeout);
        if (listener.IdleTimeout is { } idle) writer.Duration("idle-timeout", idle);
        else writer.Raw("idle-timeout", "auto");
        writer.Number("max-connections", listener.MaxConnections);
        writer.Size("max-packet-size", listener.MaxPacketSize);
        writer.Begin("limits");
        writer.Number("connects-per-second", listener.Limits.ConnectsPerSecond);
        writer.Begin("per-address");
        writer.Number("connections", listener.Limits.PerAddressConnections);
        writer.Number("rate", listener.Limits.PerAddressRate);
        writer.End();
        writer.End();
        writer.Texts("allow", listener.Allow.Select(n => n.ToString()));
        writer.Texts("deny", listener.Deny.Select(n => n.ToString()));
        writer.Template("require-client-id", listener.RequireClientId);
        writer.Number("backlog", listener.Backlog);
        writer.End();
    }

    private static void WriteAcceptProxy(ConfigurationWriter writer, ImmutableArray<IPNetwork> from)
    {
        if (from.IsEmpty)
        {
            writer.Raw("accept-proxy-protocol", "off");
            return;
        }
        writer.Begin("accept-proxy-protocol");
        writer.Texts("from", from.Select(n => n.ToString()));
        writer.End();
    }

    private static void WriteWebSocket(ConfigurationWriter writer, ListenerWebSocketOptions? webSocket)
    {
        if (webSocket is null)
        {
            writer.Raw("websocket", "off");
            return;
        }
        writer.Begin("websocket");
        writer.Text("path", webSocket.Path);
        writer.Texts("hosts", webSocket.Hosts);
        writer.Texts("origins", webSocket.Origins);
        writer.Texts("pass-headers", webSocket.PassHeaders);
        writer.Texts("accept-forwarded-for", webSocket.AcceptForwardedFor.Select(n => n.ToString()));
        writer.Size("max-frame-size", webSocket.MaxFrameSize);
        writer.Size("max-message-size", webSocket.MaxMessageSize);
        writer.End();
    }

    private static void WriteTls(ConfigurationWriter writer, ListenerTlsOptions? tls)
    {
        if (tls is null)
        {
            writer.Raw("tls", "off");
            return;
        }
        writer.Begin("tls");
        CertificateOptions[] own = [.. tls.Certificates.Where(c => c.Names.IsEmpty)], named = [.. tls.Certificates.Where(c => !c.Names.IsEmpty)];
        if (own.Length == 1)
        {
            writer.Text("certificate", own[0].Certificate);
            writer.Text("key", own[0].Key);
        }
        else
        {
            writer.Texts("certificate", own.Select(c => c.Certificate));
            writer.Texts("key", own.Select(c => c.Key));
        }
        writer.BeginArray("certificates");
        for (int i = 0; i < named.Length; i++)
        {
            writer.BeginElement("certificates", i);
            writer.Texts("names", named[i].Names);
            writer.Text("certificate", named[i].Certificate);
            writer.Text("key", named[i].Key);
            writer.EndElement();
        }
        writer.EndArray();
        writer.Raw("protocols", $"[{string.Join(", ", ConfigurationNames.NamesIn(ConfigurationNames.TlsVersions, tls.Protocols))}]");
        writer.Text("ciphers", tls.Ciphers);
        writer.Text("cipher-suites", tls.CipherSuites);
        writer.Size("session-cache", tls.SessionCache);
        writer.Duration("session-timeout", tls.SessionTimeout);
        writer.Flag("session-tickets", tls.SessionTickets);
        writer.Text("ticket-key-file", tls.TicketKeyFile);
        writer.Text("client-ca", tls.ClientCa);
        writer.Name("verify-client", tls.VerifyClient, ConfigurationNames.Verify);
        writer.Number("verify-depth", tls.VerifyDepth);
        writer.Text("crl", tls.CrlFile);
        writer.Name("crl-check", tls.CrlCheck, ConfigurationNames.CrlChecks);
        writer.Name("crl-expired", tls.CrlExpired, ConfigurationNames.CrlExpiries);
        writer.Duration("handshake-timeout", tls.HandshakeTimeout);
        writer.Number("max-handshakes", tls.MaxHandshakes);
        writer.End();
    }
}
