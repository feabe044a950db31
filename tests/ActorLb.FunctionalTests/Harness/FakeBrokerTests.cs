using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Harness;

public sealed class FakeBrokerTests
{
    [Fact]
    public async Task Connack_CodeZero_AnswersThenEchoes()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Connack(0));
        using var client = await RawClient.ConnectAsync(broker.EndPoint);
        byte[] connect = Packets.Connect("a");
        await client.SendPiecesAsync(connect.AsMemory(0, 1), connect.AsMemory(1));
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
        var connection = await broker.NextConnectionAsync();
        Assert.Equal(connect.Concat("more"u8.ToArray()), await connection.WaitForReceivedAsync(connect.Length + 4));
        Assert.Equal(client.Local, connection.Remote);
    }

    [Fact]
    public async Task Connack_Refusal_AnswersAndCloses()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Connack(0x89, version: 5));
        using var client = await RawClient.ConnectAsync(broker.EndPoint);
        await client.SendAsync(Packets.Connect("a"));
        Assert.Equal([0x20, 3, 0, 0x89, 0], (await client.ReadToEndAsync()).Bytes);
    }

    [Fact]
    public async Task CloseAndReset_AreToldApart()
    {
        await using var broker = FakeBroker.Start(FakeBroker.CloseAtOnce);
        using (var client = await RawClient.ConnectAsync(broker.EndPoint))
            Assert.False((await client.ReadToEndAsync()).Reset);
        broker.Script = FakeBroker.ResetOnData;
        using (var client = await RawClient.ConnectAsync(broker.EndPoint))
        {
            await client.SendAsync("x"u8.ToArray());
            Assert.True((await client.ReadToEndAsync()).Reset);
        }

        Assert.Equal(2, broker.Accepted);
    }

    [Fact]
    public async Task Silent_NeverAnswers_KeepsTheBytes()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        using var client = await RawClient.ConnectAsync(broker.EndPoint);
        await client.SendAsync("abc"u8.ToArray());
        var connection = await broker.NextConnectionAsync();
        Assert.Equal("abc"u8.ToArray(), await connection.WaitForReceivedAsync(3));
        await Assert.ThrowsAsync<TimeoutException>(() => client.ReadAsync(1, TimeSpan.FromMilliseconds(50)));
        client.Abort();
        await connection.Ended.WaitAsync(Wait.Patience);
    }
}
