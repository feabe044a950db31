using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using ActorLb.Configuration;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Tests that count what the whole process holds, or that keep the machine busy: nothing else may run beside them.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>Handshakes of every ending through a node leave neither memory nor descriptors behind.</summary>
[Collection("alone")]
public sealed partial class ChurnTests(ITestOutputHelper output)
{
    /// <summary>8,000 take twenty seconds on two cores. For 100,000 set ACTORLB_HANDSHAKES=100000 and run this class: about four minutes.</summary>
    private static readonly int Count = int.TryParse(
        Environment.GetEnvironmentVariable("ACTORLB_HANDSHAKES"), NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count : 8_000;

    private const int Endings = 13;
    private const int Batch = 70 * Endings;

    [Fact]
    [Trait("speed", "slow")]
    public async Task Handshakes_OfEveryEnding_LeaveNothingBehind()
    {
        using var ca = new TestCertificates();
        using var stranger = new TestCertificates("A Stranger's CA");
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        var server = ca.Server(["localhost"]);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), TlsListener.With(server, "session-cache = 64k"), $$"""
            listeners.ids { bind = "127.0.0.1:0", pool = p
            {{TlsListener.With(server, "protocols = [TLSv1.2], session-tickets = off, session-cache = 64k")}} }
            listeners.devices { bind = "127.0.0.1:0", pool = p
            {{TlsListener.Verifying(server, ca)}} }
            listeners.hasty { bind = "127.0.0.1:0", pool = p
            {{TlsListener.With(server, "handshake-timeout = 1s")}} }
            listeners.wss { bind = "127.0.0.1:0", pool = p
            {{TlsListener.With(server)}}
            {{WebSocketBytes.Listener}} }
            """);
        var foreign = stranger.Client("CN=foreign");
        int[] counts = new int[Endings];
        int done = 0;
        for (; done < 3 * Batch; done += Batch)
            await RunBatch(node, broker, ca, stranger, foreign, counts);
        var (bytes, sockets) = await Held(node);
        for (; done < Count; done += Batch)
            await RunBatch(node, broker, ca, stranger, foreign, counts);
        var (bytesAfter, socketsAfter) = await Held(node);

        output.WriteLine($"{done} handshakes, by ending {string.Join(' ', counts)}; resumed {node.Sum(c => c.TlsResumed)}, failed {node.Sum(c => c.TlsFailed)}; "
            + $"held {bytes} bytes, then {bytesAfter}; {sockets} sockets, then {socketsAfter}");
        Assert.Equal(sockets, socketsAfter);
        // What each of them lost would be many times that: the smallest thing that OpenSSL allocates is dozens of bytes.
        Assert.InRange(bytesAfter - bytes, long.MinValue, 1 << 20);
        // By ticket and by id, all but the first of each batch.
        Assert.InRange(node.Sum(c => c.TlsResumed), done / Endings * 2 * 9 / 10, done / Endings * 2);
        Assert.Equal(counts[11], node.Closed(CloseReason.ConnectTimeout));
        Assert.All(counts, c => Assert.True(c >= done / Endings / 2));
    }

    private static async Task RunBatch(TestNode node, FakeBroker broker, TestCertificates ca, TestCertificates stranger, TestCertificate foreign, int[] counts)
    {
        using var trusting = TlsClientContext.Build(new UpstreamTlsOptions(ca.CaPath, null, true, null, null));
        using var careless = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var distrusting = TlsClientContext.Build(new UpstreamTlsOptions(stranger.CaPath, null, true, null, null));
        using var untrusted = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, foreign.CertificatePath, foreign.KeyPath));
        var slow = new List<Socket>();
        byte[] connect = ConnectBytes.V311("churn");
        byte[] buffer = new byte[64];
        for (int i = 0; i < Batch; i++)
        {
            int ending = i % Endings;
            counts[ending]++;
            if (ending is 6 or 7)
            {
                NoTls(node, garbage: ending == 6);
                continue;
            }

            if (ending == 11)
            {
                slow.Add(Slow(node));
                continue;
            }

            var context = ending switch { 1 => trusting, 8 => distrusting, 10 => untrusted, _ => careless };
            string listener = ending switch { 9 => "ids", 10 => "devices", 12 => "wss", _ => "mqtt" };
            using var client = new NativeClient(context, node.Of(listener), ending switch { 1 => "localhost", 9 => "ids", _ => $"h{i}" });
            await EndAsync(client, ending, broker, connect, buffer);
        }

        await node.UntilAsync(() => node.Node.Admission.Active == 0);
        slow.ForEach(s => s.Dispose());
    }

    private static async Task EndAsync(NativeClient client, int ending, FakeBroker broker, byte[] connect, byte[] buffer)
    {
        switch (ending)
        {
            case 0:
            // Resumed, by the session id of the one before.
            case 9:
                Assert.Equal(HandshakeStatus.Done, client.Handshake());
                client.Tls.Shutdown();
                break;
            case 1:
                // Resumed, by the ticket of the one before under the same name.
                Assert.Equal(HandshakeStatus.Done, client.Handshake());
                Assert.True(client.Socket.Poll(Wait.Patience, SelectMode.SelectRead));
                Assert.Equal(TlsIoStatus.WantRead, client.Tls.Read(buffer).Status);
                client.Tls.Shutdown();
                break;
            case 2:
                Assert.Equal(HandshakeStatus.Done, client.Handshake());
                client.Abort();
                break;
            case 3:
                // The answer may be there already; it is not waited for.
                _ = client.Step();
                client.Abort();
                break;
            case 4:
                _ = client.Step();
                client.Socket.Shutdown(SocketShutdown.Send);
                break;
            case 5:
                Assert.Equal(HandshakeStatus.Done, client.Handshake());
                client.Write(connect);
                Assert.Equal(4, client.Read(buffer));
                // Else the broker keeps it, with what it received.
                _ = await broker.NextConnectionAsync();
                client.Write([0xE0, 0]);
                client.Tls.Shutdown();
                break;
            case 10:
                // In TLS 1.3 the client is done before its certificate is refused.
                Assert.Equal(HandshakeStatus.Done, client.Handshake());
                Assert.Equal(0, client.Read(buffer));
                break;
            case 12:
                Assert.Equal(HandshakeStatus.Done, client.Handshake());
                client.Write([.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(connect)]);
                while (!buffer.AsSpan(0, client.Read(buffer)).EndsWith((ReadOnlySpan<byte>)[0x20, 2, 0, 0]))
                {
                    // The answer's head; the CONNACK comes by itself.
                }

                _ = await broker.NextConnectionAsync();
                client.Write(MalformedFrames.Masked(0x88, [3, 0xE8]));
                client.Tls.Shutdown();
                break;
            default:
                Assert.Equal(HandshakeStatus.Failed, client.Handshake());
                break;
        }
    }

    /// <summary>A client whose hello never ends; the node ends it by its time.</summary>
    private static Socket Slow(TestNode node)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(node.Of("hasty"));
        socket.Send([0x16, 3, 1, 2, 0, 1]);
        return socket;
    }

    private static void NoTls(TestNode node, bool garbage)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(node.EndPoint);
        if (garbage)
            socket.Send("\u0016\u0003\u0001\u0000\u0020 not a hello"u8);
    }

    private static async Task<(long Bytes, int Sockets)> Held(TestNode node)
    {
        await node.UntilAsync(() => node.Node.Admission.Active == 0 && node.Node.Handshakes.Handshakes == 0);
        // The broker's ends of the last connections.
        int sockets = 0;
        await node.UntilAsync(() =>
        {
            int now = Descriptors.CountSockets(Environment.ProcessId);
            bool same = now == sockets;
            sockets = now;
            return same;
        });
        // The test's log is not the node's, and what finalizers free counts as held until they ran.
        node.Log.Clear();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return (GC.GetTotalMemory(forceFullCollection: true) + (long)mallinfo2().InUse, sockets);
    }

    // mallinfo(3).
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallocCounts
    {
        private readonly nuint _arena, _freeChunks, _fastChunks, _mappedChunks, _mapped, _unused, _fastFree;

        public readonly nuint InUse;

        private readonly nuint _free, _top;
    }

    [LibraryImport("libc")]
    private static partial MallocCounts mallinfo2();
}
