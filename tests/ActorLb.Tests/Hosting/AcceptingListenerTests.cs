using System.Net;
using System.Net.Sockets;
using ActorLb.Hosting;
using ActorLb.Testing;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Hosting;

public sealed class AcceptingListenerTests
{
    [Fact]
    public async Task Flood_NoMoreAreTakenThanAtOnce_AndTheNextWhenOneHasEnded()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        await using var listener = new AcceptingListener(socket, NullLogger.Instance, most: 3);
        var clients = new List<Socket>();
        for (int i = 0; i < 5; i++)
        {
            clients.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            await clients[i].ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
        }

        var taken = new List<ConnectionContext>();
        for (int i = 0; i < 3; i++) taken.Add((await NextAsync().AsTask())!);
        var fourth = NextAsync().AsTask();
        Assert.False(fourth.IsCompleted);

        // However one ends: by the node, or by its client.
        taken[1].Abort(new ConnectionAbortedException());
        taken.Add((await fourth.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken))!);
        var fifth = NextAsync().AsTask();
        Assert.False(fifth.IsCompleted);
        clients.ForEach(c => c.Dispose());
        taken.Add((await fifth.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken))!);

        foreach (var connection in taken) await connection.DisposeAsync();
        var last = NextAsync().AsTask();
        await listener.UnbindAsync(TestContext.Current.CancellationToken);
        Assert.Null(await last.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken));

        ValueTask<ConnectionContext?> NextAsync() => listener.AcceptAsync(TestContext.Current.CancellationToken);
    }
}
