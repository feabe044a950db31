using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>A request and frames that come in two segments, however they are cut.</summary>
public sealed class SplitTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RequestAndFrames_CutAnywhere_MakeOneSession(bool webSocketBackend)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var mosquitto = webSocketBackend ? await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(), new(WebSocket: true)] }) : null;
        await using var node = await TestNode.StartAsync(
            mosquitto is null ? TestNode.Backends(broker) : $"backends = [\"{mosquitto.EndPoints[1]}\"], websocket {{ path = \"/mqtt\" }}",
            WebSocketBytes.Listener);
        byte[] connect = ConnectBytes.V311("split");
        byte[] frames =
        [
            .. MalformedFrames.Masked(0x02, connect.AsSpan(0, 3)), .. MalformedFrames.Masked(0x89, "are you there"u8),
            .. MalformedFrames.Masked(0x00, []), .. MalformedFrames.Masked(0x80, connect.AsSpan(3)), .. MalformedFrames.Masked(0x82, [0xC0, 0]),
        ];
        byte[] all = [.. WebSocketBytes.Upgrade, .. frames];

        // Every border within the frames, a sample of those in the request; with a real broker, which takes its time, fewer.
        int[] cuts = [.. Enumerable.Range(1, all.Length - 1).Where(i => webSocketBackend ? i % 23 == 0 : i >= WebSocketBytes.Upgrade.Length - 4 || i % 11 == 0)];
        foreach (int cut in cuts)
        {
            using var client = await node.DialAsync();
            await client.SendPiecesAsync(all.AsMemory(0, cut), all.AsMemory(cut));
            var head = new List<byte>();
            while (!head.ToArray().AsSpan().EndsWith("\r\n\r\n"u8))
                head.AddRange(await client.ReadAsync(1));
            byte[] expected = [0x8A, 13, .. "are you there"u8, 0x82, 4, 0x20, 2, 0, 0];
            Assert.Equal(expected, await client.ReadAsync(expected.Length));
            // What the broker says to the PINGREQ: the script echoes it, in as many pieces as it comes, and mosquitto answers.
            var answer = new List<byte>();
            while (answer.Count < 2)
            {
                byte[] header = await client.ReadAsync(2);
                Assert.Equal(0x82, header[0]);
                answer.AddRange(await client.ReadAsync(header[1]));
            }

            Assert.Equal([mosquitto is null ? (byte)0xC0 : (byte)0xD0, 0], answer);
            await client.SendAsync(MalformedFrames.Masked(0x82, [0xE0, 0]));
        }
    }
}
