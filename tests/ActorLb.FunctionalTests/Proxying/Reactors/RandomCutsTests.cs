using System.Net.Sockets;
using ActorLb.FunctionalTests.Tls;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Reactors;

/// <summary>
/// Whatever a client and its broker send, framed, cut and glued by chance, comes out on the other side, whole and without a further
/// byte to wake the node: descriptors are edge-triggered, so what it leaves unread for a moment it must come back to by itself.
/// </summary>
public sealed class RandomCutsTests : IDisposable
{
    private const int Seeds = 12;

    private readonly TestCertificates _ca = new();

    public static MatrixTheoryData<string, string> Transports => new(["tcp", "tls", "ws", "wss"], ["tcp", "tls", "ws", "wss"]);

    public void Dispose() => _ca.Dispose();

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Streams_CutAndGluedByChance_ComeOutWhole(string client, string broker)
    {
        var certificate = _ca.Server(["localhost"]);
        using var listening = new StreamBroker(IsTls(broker), IsFramed(broker), certificate.Certificate);
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{listening.EndPoint}\"]\n" + (IsTls(broker) ? "tls { verify = off }\n" : "") + (IsFramed(broker) ? "websocket { path = \"/mqtt\" }" : ""),
            (IsTls(client) ? TlsListener.With(certificate) : "") + (IsFramed(client) ? WebSocketBytes.Listener.Replace("128KiB", "1MiB", StringComparison.Ordinal) : ""));
        for (int seed = 0; seed < Seeds; seed++)
        {
            using var deadline = new CancellationTokenSource(Wait.Patience);
            try
            {
                await RunAsync(node, listening, client, broker, seed, deadline.Token);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(
                    $"Seed {seed}, {client} to {broker}; ended: {string.Join(", ", node.Endings())}; {string.Join('\n', node.Log.Lines.Select(l => l.Text))}", e);
            }
        }
    }

    private static async Task RunAsync(TestNode node, StreamBroker listening, string client, string broker, int seed, CancellationToken stop)
    {
        var chance = new RandomFrames(seed);
        byte[] fromClient = [.. ConnectBytes.V311($"seed-{seed}"), .. chance.Publishes()];
        byte[] fromBroker = [.. FakeBroker.ConnackBytes(0), .. chance.Publishes()];
        await using var stream = await DialAsync(node, IsTls(client));
        if (IsFramed(client))
        {
            await stream.WriteAsync(WebSocketBytes.Upgrade, stop);
            // The answer's end is awaited in one case of two; in the other the frames follow on the request's heels.
            if (chance.NextBool())
                await StreamBroker.ReadHeadAsync(stream, stop);
        }

        byte[] sent = IsFramed(client) ? chance.Frame(fromClient, masked: true) : fromClient;
        byte[] answered = IsFramed(broker) ? chance.Frame(fromBroker, masked: false) : fromBroker;
        ReadOnlyMemory<byte>[] sentPieces = [.. chance.Cut(sent)], answeredPieces = [.. chance.Cut(answered)];

        var reading = ReadAsync(stream, fromBroker, IsFramed(client), stop);
        var brokering = BrokerAsync(listening, answeredPieces, fromClient, IsFramed(broker), reading, stop);
        if (chance.NextBool())
        {
            await using var held = await HeldReactor.OfAsync(node);
            // As much as the sockets take is there at once.
            await Task.WhenAny(WriteAsync(stream, sentPieces, stop), Task.Delay(20, stop));
        }
        else
        {
            await WriteAsync(stream, sentPieces, stop);
        }

        await Task.WhenAll(brokering, reading);
    }

    private static async Task BrokerAsync(
        StreamBroker listening, ReadOnlyMemory<byte>[] pieces, byte[] expected, bool framed, Task clientHasAll, CancellationToken stop)
    {
        await using var stream = await listening.AcceptAsync(stop);
        byte[] first = new byte[1];
        // It answers no earlier than the CONNECT begins to come.
        await stream.ReadExactlyAsync(first, stop);
        var writing = WriteAsync(stream, pieces, stop);
        await ReadAsync(stream, expected, framed, stop, first);
        await writing;
        // Closing with unread pongs resets the connection, and what the node has not read yet is lost.
        await clientHasAll;
    }

    private static async Task WriteAsync(Stream stream, ReadOnlyMemory<byte>[] pieces, CancellationToken stop)
    {
        foreach (var piece in pieces)
        {
            await stream.WriteAsync(piece, stop);
            await stream.FlushAsync(stop);
        }
    }

    /// <summary>Until all that is expected has come; no byte of it may differ.</summary>
    private static async Task ReadAsync(Stream stream, byte[] expected, bool framed, CancellationToken stop, params byte[] first)
    {
        var all = new List<byte>(first);
        byte[] buffer = new byte[64 << 10];
        byte[] data = [];
        try
        {
            while (data.Length < expected.Length)
            {
                int read = await stream.ReadAsync(buffer, stop);
                if (read == 0)
                    break;
                all.AddRange(buffer.AsSpan(0, read));
                data = framed ? RandomFrames.Data(WithoutHead([.. all])) : [.. all];
            }
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{data.Length} of {expected.Length} bytes came.", e);
        }

        Assert.Equal(expected.Length, data.Length);
        Assert.True(data.AsSpan().SequenceEqual(expected));
    }

    /// <summary>Where the answer to the upgrade was not read before.</summary>
    private static byte[] WithoutHead(byte[] bytes) => bytes.AsSpan().StartsWith("HTTP"u8) ? WebSocketBytes.Split(bytes).Body : bytes;

    private static async Task<Stream> DialAsync(TestNode node, bool tls)
    {
        if (tls)
            return (await SecureClient.ConnectAsync(node.EndPoint)).Stream;
        return new NetworkStream((await node.DialAsync()).Socket, ownsSocket: true);
    }

    private static bool IsTls(string transport) => transport is "tls" or "wss";

    private static bool IsFramed(string transport) => transport is "ws" or "wss";
}
