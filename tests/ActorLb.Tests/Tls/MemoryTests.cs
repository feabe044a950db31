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
        long[] growths = new long[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            long before = Allocated();
            for (int i = 0; i < Count; i++)
            {
                pairs[i].Sockets = Establish(server, client, out var sessions);
                (pairs[i].Server, pairs[i].Client) = sessions;
                HandshakeEndings.Exchange(pairs[i].Server, pairs[i].Client);
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

        // The runtime's compiler allocates by malloc, too, as much as 3.5 KB a connection in the median: it adds to some rounds, and what
        // earlier tests left to finalizers is freed in others.
        long bytes = growths.Min() / Count;
        output.WriteLine($"An idle TLS 1.3 connection of a server costs {bytes} bytes.");
        Assert.InRange(bytes, 0, Bound);
        Assert.InRange(growths.Max() / Count, Least, long.MaxValue);
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
            VerifyClient = VerifyClient.On,
            ClientCa = _ca.CaPath,
            CrlFile = _ca.RevocationList([]),
        };
        server = server with { Certificates = server.Certificates.SetItem(1, server.Certificates[1] with { Names = ["b.test"] }) };
        var broken = server with { Ciphers = "NONSENSE" };
        var upstream = new UpstreamTlsOptions(_ca.CaPath, null, true, server.Certificates[0].Certificate, server.Certificates[0].Key);
        BuildOnce(20);
        // The runtime allocates by malloc too, up to some hundred kilobytes a round; a context that stayed would be 20 KB and more.
        Assert.InRange(MedianGrowth(() => BuildOnce(100)), long.MinValue, 100 * 16 * 1024);

        void BuildOnce(int times)
        {
            for (int i = 0; i < times; i++)
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
        using var endings = new HandshakeEndings(_ca);
        int[] ended = new int[HandshakeEndings.Count];
        for (int i = 0; i < 1000; i++)
        {
            endings.End(i % HandshakeEndings.Count, ended);
        }

        int descriptors = Descriptors();
        long growth = MedianGrowth(() =>
        {
            for (int i = 0; i < count / Rounds; i++)
            {
                endings.End(i % HandshakeEndings.Count, ended);
            }
        });
        output.WriteLine($"{count} handshakes in {Rounds} rounds: malloc'd bytes grew by {growth} in the median; endings {string.Join(' ', ended)}.");
        Assert.All(ended, e => Assert.True(e > 0));
        // Sockets of tests before this one come and go in the process; a leak here would be thousands.
        Assert.InRange(Descriptors(), 1, descriptors + 100);
        // What a round's handshakes of one ending left behind would be 144 bytes of each, or more: the least of OpenSSL's objects is larger.
        Assert.InRange(growth, long.MinValue, count / Rounds * 16);
    }

    private const int Rounds = 5;

    private static SocketPair Establish(TlsServerContext server, TlsClientContext client, out (TlsSession Server, TlsSession Client) sessions)
    {
        var sockets = new SocketPair();
        sessions = (server.Accept(sockets.One), client.Connect(sockets.Two, "a.test"));
        Assert.Equal(HandshakeStatus.Done, HandshakeEndings.Complete(sessions.Server, sessions.Client).Status);
        return sockets;
    }

    /// <summary>
    /// The runtime's compiler uses malloc too, now and then a megabyte, up or down; a leak grows in every round.
    /// </summary>
    private static long MedianGrowth(Action round)
    {
        long[] growths = new long[Rounds];
        for (int i = 0; i < Rounds; i++)
        {
            long before = Allocated();
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
