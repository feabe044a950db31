using System.Runtime.InteropServices;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Processes;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>Pairs of TLS endpoints, and every way in which a handshake between two may end.</summary>
internal sealed class HandshakeEndings : IDisposable
{
    public const int Count = 9;

    private readonly TlsServerContext _server;
    private readonly TlsServerContext _forgetful;
    private readonly TlsServerContext _remembering;
    private readonly TlsClientContext _plain;
    private readonly TlsClientContext _returning;
    private readonly TlsClientContext _byId;
    private readonly TlsClientContext _known;
    private readonly TlsClientContext _foreign;

    public HandshakeEndings(TestCertificates ca)
    {
        var certificate = ca.Server(["a.test"]);
        var identity = ca.Client("CN=device");
        _server = TlsServerContext.Build(
            TlsOptions.For(certificate) with { VerifyClient = VerifyClient.Optional, ClientCa = ca.CaPath, SessionCache = 1024 * 1024 },
            false, TimeProvider.System);
        var older = TlsOptions.For(certificate) with { Protocols = TlsProtocols.Tls12, SessionTickets = false };
        _forgetful = TlsServerContext.Build(older with { SessionCache = 0 }, false, TimeProvider.System);
        _remembering = TlsServerContext.Build(older with { SessionCache = 1024 * 1024 }, false, TimeProvider.System);
        using var foreignCa = new TestCertificates("Foreign CA");
        var foreignIdentity = foreignCa.Client("CN=foreign");
        _plain = TlsClientContext.Build(new UpstreamTlsOptions(ca.CaPath, "a.test", true, null, null));
        _returning = TlsClientContext.Build(new UpstreamTlsOptions(ca.CaPath, "a.test", true, null, null));
        _byId = TlsClientContext.Build(new UpstreamTlsOptions(ca.CaPath, "a.test", true, null, null));
        _known = TlsClientContext.Build(
            new UpstreamTlsOptions(ca.CaPath, "a.test", true, identity.CertificatePath, identity.KeyPath));
        _foreign = TlsClientContext.Build(
            new UpstreamTlsOptions(null, "a.test", false, foreignIdentity.CertificatePath, foreignIdentity.KeyPath));
    }

    public void Dispose()
    {
        _server.Dispose();
        _forgetful.Dispose();
        _remembering.Dispose();
        _plain.Dispose();
        _returning.Dispose();
        _byId.Dispose();
        _known.Dispose();
        _foreign.Dispose();
    }

    public void End(int ending, int[] counts)
    {
        var client = ending switch { 3 => _foreign, 4 => _known, 5 => _returning, 7 => _byId, _ => _plain };
        var context = ending switch { 6 => _forgetful, 7 => _remembering, _ => _server };
        var sockets = new SocketPair();
        var one = context.Accept(sockets.One);
        var two = client.Connect(sockets.Two, "a.test");
        HandshakeOutcome outcome;
        switch (ending)
        {
            case 0: // the client never says a word
                outcome = one.Handshake();
                counts[ending] += outcome.Status == HandshakeStatus.WantRead ? 1 : 0;
                break;
            case 1: // the client goes in the middle
                _ = two.Handshake();
                _ = one.Handshake();
                two.Dispose();
                sockets.CloseTwo();
                outcome = one.Handshake();
                counts[ending] += outcome.Status == HandshakeStatus.Failed ? 1 : 0;
                one.Dispose();
                sockets.CloseOne();
                return;
            case 2: // both sides say close_notify
                outcome = Complete(one, two);
                Exchange(one, two);
                _ = two.Shutdown();
                Assert.Equal(TlsIoStatus.Closed, one.Read(stackalloc byte[8]).Status);
                _ = one.Shutdown();
                counts[ending] += outcome.Status == HandshakeStatus.Done ? 1 : 0;
                break;
            case 3: // a certificate that is not trusted
                outcome = Complete(one, two);
                counts[ending] += outcome.Reason?.StartsWith("certificate verify failed", StringComparison.Ordinal) == true ? 1 : 0;
                break;
            case 4: // a client certificate, its values read
                outcome = Complete(one, two);
                counts[ending] += one.PeerCertificate()?.CommonName == "device" && one.ProxyValues().Verify == 0 ? 1 : 0;
                break;
            case 5: // TLS 1.3, resumed by the ticket of the one before
            case 7: // TLS 1.2, resumed by the id of the one before
                outcome = Complete(one, two);
                Exchange(one, two);
                counts[ending] += one.Reused() ? 1 : 0;
                break;
            case 6: // TLS 1.2, from scratch
                outcome = Complete(one, two);
                Exchange(one, two);
                counts[ending] += one.Protocol() == "TLSv1.2" && !one.Reused() ? 1 : 0;
                break;
            default: // neither side says close_notify
                outcome = Complete(one, two);
                Exchange(one, two);
                counts[ending] += outcome.Status == HandshakeStatus.Done ? 1 : 0;
                break;
        }

        one.Dispose();
        two.Dispose();
        sockets.Dispose();
    }

    /// <returns>The server's outcome.</returns>
    internal static HandshakeOutcome Complete(TlsSession server, TlsSession client)
    {
        while (true)
        {
            _ = client.Handshake();
            var outcome = server.Handshake();
            if (outcome.Status is HandshakeStatus.Done or HandshakeStatus.Failed)
            {
                return outcome;
            }
        }
    }

    /// <summary>A message both ways, by which the client also takes its ticket in.</summary>
    internal static void Exchange(TlsSession server, TlsSession client)
    {
        Span<byte> buffer = stackalloc byte[64];
        Assert.Equal(16, client.Write(buffer[..16]).Count);
        Assert.Equal(16, server.Read(buffer).Count);
        Assert.Equal(TlsIoStatus.WantRead, server.Read(buffer).Status);
        Assert.Equal(16, server.Write(buffer[..16]).Count);
        Assert.Equal(16, client.Read(buffer).Count);
    }
}
