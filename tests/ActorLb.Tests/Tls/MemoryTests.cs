using System.Runtime.InteropServices;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Processes;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>Counts the bytes that malloc has handed out.</summary>
[Collection(AloneCollection.Name)]
public sealed partial class MemoryTests(ITestOutputHelper output) : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Fact]
    public void Connection_Idle_KeepsNoBuffers()
    {
        const int Count = 400;

        // OpenSSL 3.0 itself holds 13.9 KB after a TLS 1.3 handshake, 7.6 of them the SSL structure; one record buffer
        // would be 16 KB more.
        const int Least = 10 * 1024, Bound = 15 * 1024;
        using var server = TlsServerContext.Build(TlsOptions.For(_ca.Server(["a.test"])), false, TimeProvider.System);
        using var client = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, "a.test", true, null, null));
        var pairs = new (SocketPair Sockets, TlsSession Server, TlsSession Client)[Count];
        var growths = new long[Rounds];
        for (var round = 0; round < Rounds; round++)
        {
            var before = Allocated();
            for (var i = 0; i < Count; i++)
            {
                pairs[i].Sockets = Establish(server, client, out var sessions);
                (pairs[i].Server, pairs[i].Client) = sessions;
                Exchange(pairs[i].Server, pairs[i].Client);
            }

            foreach (var pair in pairs)
            {
                pair.Client.Dispose();
            }

            growths[round] = Allocated() - before;
            foreach (var pair in pairs)
            {
                pair.Server.Dispose();
                pair.Sockets.Dispose();
            }
        }

        // The runtime's compiler allocates by malloc, too, as much as 3.5 KB a connection in the median: it adds to some rounds.
        var bytes = growths.Min() / Count;
        output.WriteLine($"An idle TLS 1.3 connection of a server costs {bytes} bytes.");
        Assert.InRange(bytes, Least, Bound);
    }

    [Fact]
    [Trait("speed", "slow")]
    public void Handshakes_ManyOfEveryEnding_LeaveNothingBehind() => Repeat(25_000);

    [Fact]
    [Trait("speed", "slow")]
    public void Contexts_BuiltAndReplacedOften_LeaveNothingBehind()
    {
        var server = TlsOptions.For(_ca.Server(["a.test"]), _ca.Server(["b.test"])) with
        {
            VerifyClient = VerifyClient.On, ClientCa = _ca.CaPath, CrlFile = _ca.RevocationList([]),
        };
        server = server with { Certificates = server.Certificates.SetItem(1, server.Certificates[1] with { Names = ["b.test"] }) };
        var broken = server with { Ciphers = "NONSENSE" };
        var upstream = new UpstreamTlsOptions(_ca.CaPath, null, true, server.Certificates[0].Certificate, server.Certificates[0].Key);
        BuildOnce(20);
        // The runtime allocates by malloc too, up to some hundred kilobytes a round; a context that stayed would be 20 KB and more.
        Assert.InRange(MedianGrowth(() => BuildOnce(100)), long.MinValue, 100 * 16 * 1024);

        void BuildOnce(int times)
        {
            for (var i = 0; i < times; i++)
            {
                using (var context = TlsServerContext.Build(server, false, TimeProvider.System))
                {
                    // A connection outlives its context.
                    var session = context.Accept(0);
                    context.Dispose();
                    session.Dispose();
                }

                Assert.Throws<TlsConfigurationException>(() => TlsServerContext.Build(broken, false, TimeProvider.System));
                using var client = TlsClientContext.Build(upstream);
                client.Connect(0, "a.test").Dispose();
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    private void Repeat(int count)
    {
        var certificate = _ca.Server(["a.test"]);
        var identity = _ca.Client("CN=device");
        using var server = TlsServerContext.Build(
            TlsOptions.For(certificate) with { VerifyClient = VerifyClient.Optional, ClientCa = _ca.CaPath, SessionCache = 1024 * 1024 },
            false, TimeProvider.System);
        var older = TlsOptions.For(certificate) with { Protocols = TlsProtocols.Tls12, SessionTickets = false };
        using var forgetful = TlsServerContext.Build(older with { SessionCache = 0 }, false, TimeProvider.System);
        using var remembering = TlsServerContext.Build(older with { SessionCache = 1024 * 1024 }, false, TimeProvider.System);
        using var foreignCa = new TestCertificates("Foreign CA");
        var foreignIdentity = foreignCa.Client("CN=foreign");
        using var plain = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, "a.test", true, null, null));
        using var returning = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, "a.test", true, null, null));
        using var byId = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, "a.test", true, null, null));
        using var known = TlsClientContext.Build(
            new UpstreamTlsOptions(_ca.CaPath, "a.test", true, identity.CertificatePath, identity.KeyPath));
        using var foreign = TlsClientContext.Build(
            new UpstreamTlsOptions(null, "a.test", false, foreignIdentity.CertificatePath, foreignIdentity.KeyPath));

        var ended = new int[Endings];
        for (var i = 0; i < 1000; i++)
        {
            End(i % Endings, ended);
        }

        var descriptors = Descriptors();
        var growth = MedianGrowth(() =>
        {
            for (var i = 0; i < count / Rounds; i++)
            {
                End(i % Endings, ended);
            }
        });
        output.WriteLine($"{count} handshakes in {Rounds} rounds: malloc'd bytes grew by {growth} in the median; endings {string.Join(' ', ended)}.");
        Assert.All(ended, e => Assert.True(e > 0));
        // Sockets of tests before this one come and go in the process; a leak here would be thousands.
        Assert.InRange(Descriptors(), 1, descriptors + 100);
        // What a round's handshakes of one ending left behind would be 144 bytes of each, or more: the least of OpenSSL's objects is larger.
        Assert.InRange(growth, long.MinValue, count / Rounds * 16);

        void End(int ending, int[] counts)
        {
            var client = ending switch { 3 => foreign, 4 => known, 5 => returning, 7 => byId, _ => plain };
            var context = ending switch { 6 => forgetful, 7 => remembering, _ => server };
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
    }

    private const int Endings = 9;
    private const int Rounds = 5;

    private static SocketPair Establish(TlsServerContext server, TlsClientContext client, out (TlsSession Server, TlsSession Client) sessions)
    {
        var sockets = new SocketPair();
        sessions = (server.Accept(sockets.One), client.Connect(sockets.Two, "a.test"));
        Assert.Equal(HandshakeStatus.Done, Complete(sessions.Server, sessions.Client).Status);
        return sockets;
    }

    /// <returns>The server's outcome.</returns>
    private static HandshakeOutcome Complete(TlsSession server, TlsSession client)
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
    private static void Exchange(TlsSession server, TlsSession client)
    {
        Span<byte> buffer = stackalloc byte[64];
        Assert.Equal(16, client.Write(buffer[..16]).Count);
        Assert.Equal(16, server.Read(buffer).Count);
        Assert.Equal(TlsIoStatus.WantRead, server.Read(buffer).Status);
        Assert.Equal(16, server.Write(buffer[..16]).Count);
        Assert.Equal(16, client.Read(buffer).Count);
    }

    /// <summary>
    /// The runtime's compiler uses malloc too, now and then a megabyte, up or down; a leak grows in every round.
    /// </summary>
    private static long MedianGrowth(Action round)
    {
        var growths = new long[Rounds];
        for (var i = 0; i < Rounds; i++)
        {
            var before = Allocated();
            round();
            growths[i] = Allocated() - before;
        }

        Array.Sort(growths);
        return growths[Rounds / 2];
    }

    private static int Descriptors()
    {
        // What other tests left to the finalizers must not be counted.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Directory.GetFileSystemEntries("/proc/self/fd").Length;
    }

    private static long Allocated()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var info = mallinfo2();
        return (long)(info.InUse + info.Mapped);
    }

    [LibraryImport("libc")]
    private static partial MallocInfo mallinfo2();

    /// <summary>struct mallinfo2 of malloc.h: hblkhd and uordblks are the bytes in use, mapped and from arenas.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MallocInfo
    {
        internal nuint Arena;
        internal nuint FreeChunks;
        internal nuint FastChunks;
        internal nuint MappedRegions;
        internal nuint Mapped;
        internal nuint Unused;
        internal nuint FreeFast;
        internal nuint InUse;
        internal nuint Free;
        internal nuint Releasable;
    }
}
