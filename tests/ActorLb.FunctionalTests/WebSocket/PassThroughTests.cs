using System.Threading.Channels;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>Between a WebSocket client and a WebSocket broker frames go through as they are; nothing of the node's own may break them.</summary>
public sealed class PassThroughTests : IAsyncLifetime
{
    private static readonly byte[] First = WebSocketBytes.Binary([0xC0, 0]);

    // What the test has the broker send, piece by piece.
    private readonly Channel<byte[]> _toClient = System.Threading.Channels.Channel.CreateUnbounded<byte[]>();
    private FakeBroker _broker = null!;
    private TestNode _node = null!;
    private int _connectLength;

    // Payloads of control frames are the receiver's to judge.
    public static TheoryData<string, bool> Headers
    {
        get
        {
            var rows = new TheoryData<string, bool>();
            foreach (var frame in MalformedFrames.All.Where(f => f.Expected is not (FrameError.CloseCode or FrameError.CloseReason)))
            {
                rows.Add(frame.Name, false);
                rows.Add(frame.Name, true);
            }

            return rows;
        }
    }

    public async ValueTask InitializeAsync()
    {
        _broker = FakeBroker.Start(FramedBroker.Accepting((connection, stop) => Task.WhenAll(connection.ReadToEndAsync(stop), SendAsync(connection, stop))));
        _node = await TestNode.StartAsync(TestNode.Backends(_broker) + "websocket { path = \"/mqtt\" }", WebSocketBytes.Listener);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
    }

    [Fact]
    public async Task Ping_WithinAMessageWhileTheBrokersFrameIsHalfSent_LeavesThatFrameWhole()
    {
        using var client = await OpenAsync();
        // The client's message stays unfinished, so its direction is read frame by frame.
        byte[] begun = MalformedFrames.Masked(0x02, [0x30]);
        await client.SendAsync(begun);
        await UntilReadAsync(begun.Length);
        byte[] payload = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];
        await SayAsync([0x82, 2, 0xD0, 0]);
        await SayAsync([0x82, 126, 3, 0xE8, .. payload[..400]]);
        byte[] ping = MalformedFrames.Masked(0x89, "there?"u8);
        await client.SendAsync(ping);
        await UntilReadAsync(begun.Length + ping.Length);
        await SayAsync(payload[400..]);
        _toClient.Writer.Complete();

        var frames = WebSocketBytes.Frames((await client.ReadToEndAsync()).Bytes).ToArray();
        Assert.Equal([0xD0, 0, .. payload], frames.Where(f => (f.First & 0x0F) is 0 or 2).SelectMany(f => f.Payload));
        Assert.Equal("there?"u8, Assert.Single(frames, f => f.First == 0x8A).Payload);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Drain_BetweenTwoFragmentsOfTheBrokers_PutsNoMessageInBetween(bool fragmented)
    {
        using var client = await OpenAsync(version: 5);
        // One packet, in the first of two fragments or in a message of its own.
        await SayAsync([0x82, 2, 0xD0, 0]);
        await SayAsync([(byte)(fragmented ? 0x02 : 0x82), 2, 0xD0, 0]);
        var drain = _node.Node.DrainAsync(TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken);
        var frames = WebSocketBytes.Frames((await client.ReadToEndAsync()).Bytes).ToArray();
        client.Dispose();
        await drain;
        byte[] expected = fragmented ? [0x82, 0x02, 0x88] : [0x82, 0x82, 0x82, 0x88];
        Assert.Equal(expected, frames.Select(f => f.First));
        Assert.Equal([0x03, 0xE9], frames[^1].Payload);
        _toClient.Writer.Complete();
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Frame_MalformedWhereFramesGoThrough_ClosesTheSessionWithItsCodeAndReachesNoBroker(string name, bool cut)
    {
        var frame = MalformedFrames.All.Single(f => f.Name == name);
        using var client = await OpenAsync();
        var broker = await _broker.NextConnectionAsync();
        byte[] before = await BeginToPassAsync(client, broker);
        byte[] allowed = [.. before, .. frame.Bytes[..frame.Good.Length]];
        // The header of the bad frame comes in two pieces: the first byte alone may look like a good one.
        int first = cut ? frame.Good.Length + 1 : frame.Bytes.Length;
        await client.SendAsync(frame.Bytes.AsMemory(0, first));
        await UntilReadAsync(First.Length + first);
        await client.SendAsync(frame.Bytes.AsMemory(first));

        Assert.Equal(FrameErrors.CloseCodeFor(frame.Expected), WebSocketBytes.CloseCode((await client.ReadToEndAsync()).Bytes));
        client.Dispose();
        await _node.UntilClosedAsync(CloseReason.BadFrame);
        _toClient.Writer.Complete();
        await broker.Ended;
        Assert.Equal(allowed.Take(broker.Received.Length), broker.Received);
    }

    [Fact]
    public async Task Frame_CutAnywhereInItsHeader_GoesThroughWhole()
    {
        using var client = await OpenAsync();
        var broker = await _broker.NextConnectionAsync();
        byte[] frame = WebSocketBytes.Binary([.. Enumerable.Range(0, 300).Select(i => (byte)i)]);
        byte[] before = await BeginToPassAsync(client, broker);
        int sent = 0;
        for (int cut = 1; cut <= 9; cut++)
        {
            await client.SendAsync(frame.AsMemory(0, cut));
            await UntilReadAsync(First.Length + sent + cut);
            await client.SendAsync(frame.AsMemory(cut));
            sent += frame.Length;
            await UntilReadAsync(First.Length + sent);
        }

        byte[] whole = [.. before, .. Enumerable.Repeat(frame, 9).SelectMany(f => f)];
        byte[] received = await broker.WaitForReceivedAsync(whole.Length);
        Assert.Equal(whole, received);
        byte[] said = [0x82, 126, 1, 0, .. new byte[256]];
        for (int cut = 1; cut <= 5; cut++)
        {
            await SayAsync(said[..cut]);
            await SayAsync(said[cut..]);
            Assert.Equal(said, await client.ReadAsync(said.Length));
        }

        _toClient.Writer.Complete();
    }

    /// <summary>The header that the broker began is held back, so the client stands between two frames and can be told.</summary>
    [Fact]
    public async Task End_OfTheBrokerWithinAHeader_IsTheClientsClose()
    {
        using var client = await OpenAsync();
        await BeginToPassAsync(client, await _broker.NextConnectionAsync());
        await SayAsync([0x82, 2, 0xD0, 0]);
        await SayAsync([0x82, 126, 1]);
        _toClient.Writer.Complete();
        Assert.Equal([0x82, 2, 0xD0, 0, 0x88, 2, 0x03, 0xE8], (await client.ReadToEndAsync()).Bytes);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task End_OfTheClient_WithOrWithoutACloseFrame_IsWhatTheBrokerHears(bool passes, bool closes)
    {
        using var client = await OpenAsync();
        var broker = await _broker.NextConnectionAsync();
        int before = passes ? (await BeginToPassAsync(client, broker)).Length : broker.Received.Length;
        if (closes)
            await client.SendAsync(MalformedFrames.Masked(0x88, [0x03, 0xE9]));
        client.HalfClose();
        _toClient.Writer.Complete();
        await broker.Ended;
        await _node.UntilClosedAsync(CloseReason.ClientClosed);

        byte[] heard = broker.Received[before..];
        Assert.Equal(closes ? [0x88, 0x82] : [], heard.Take(2));
        Assert.Equal(closes ? 8 : 0, heard.Length);
    }

    [Fact]
    public async Task Frame_OfTheBrokersThatIsNotAllowed_IsAnInternalErrorToTheClient()
    {
        using var client = await OpenAsync();
        await BeginToPassAsync(client, await _broker.NextConnectionAsync());
        await SayAsync([0x82, 2, 0xD0, 0]);
        await SayAsync([0x81, 2, (byte)'h', (byte)'i']);
        Assert.Equal([0x82, 2, 0xD0, 0, 0x88, 2, 0x03, 0xF3], (await client.ReadToEndAsync()).Bytes);
        _toClient.Writer.Complete();
    }

    private async Task<RawClient> OpenAsync(int version = 4)
    {
        var client = await _node.DialAsync();
        byte[] connect = ConnectBytes.Of(version, "a");
        _connectLength = connect.Length;
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(connect)]);
        var head = new List<byte>();
        while (!head.ToArray().AsSpan().EndsWith("\r\n\r\n"u8))
            head.AddRange(await client.ReadAsync(1));
        byte[] connack = FakeBroker.ConnackBytes(0, version);
        Assert.Equal([0x82, (byte)connack.Length, .. connack], await client.ReadAsync(2 + connack.Length));
        await _node.UntilAsync(() => _node.Sum(c => Volatile.Read(ref c.Relaying)) == 1);
        return client;
    }

    /// <summary>The client's first frame is still put together anew; what follows it goes through.</summary>
    /// <returns>All that the broker has received then.</returns>
    private async Task<byte[]> BeginToPassAsync(RawClient client, FakeBrokerConnection broker)
    {
        int before = broker.Received.Length;
        await client.SendAsync(First);
        return await broker.WaitForReceivedAsync(before + First.Length);
    }

    /// <summary>Until the node has read so many bytes of the client's behind its CONNECT.</summary>
    private Task UntilReadAsync(int count) => _node.UntilAsync(() => _node.Sum(c => Volatile.Read(ref c.BytesFromClients)) == _connectLength + count);

    private async Task SayAsync(byte[] bytes)
    {
        long before = _node.Sum(c => Volatile.Read(ref c.BytesFromBackends));
        await _toClient.Writer.WriteAsync(bytes);
        await _node.UntilAsync(() => _node.Sum(c => Volatile.Read(ref c.BytesFromBackends)) == before + bytes.Length);
    }

    private async Task SendAsync(FakeBrokerConnection connection, CancellationToken stop)
    {
        await foreach (byte[] bytes in _toClient.Reader.ReadAllAsync(stop))
            await connection.SendAsync(bytes, stop);
        connection.HalfClose();
    }
}
