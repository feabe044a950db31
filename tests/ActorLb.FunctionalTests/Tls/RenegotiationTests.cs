using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>A client of TLS 1.2 that asks for another handshake within its session gets none (RFC 5246, section 7.2.2), and harms nobody else.</summary>
public sealed class RenegotiationTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private TestNode _node = null!;

    public async ValueTask InitializeAsync() => _node = await TestNode.StartAsync(
        TestNode.Backends(_broker), TlsListener.With(_ca.Server(["localhost"]), $"protocols = [TLSv1.2], ciphers = \"{RecordWriter.Ciphers}\""));

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Fact]
    public async Task Renegotiation_ByOpenSsl_IsRefusedAndLeavesOtherSessionsAlone()
    {
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var other = Established(context, "other");
        await using (var client = OpenSslClient.Start(_node.EndPoint, "-tls1_2"))
        {
            await client.Process.WaitForLineAsync("Verify return code");
            await client.Process.Input.WriteAsync("R\n");
            await client.Process.Input.FlushAsync();
            await client.Process.WaitForExitAsync();
            Assert.Contains("RENEGOTIATING", client.Process.Output, StringComparison.Ordinal);
            Assert.Contains("no renegotiation", client.Process.Output, StringComparison.Ordinal);
        }

        await _node.UntilAsync(() => _node.Node.Admission.Active == 1);
        Echoes(other);
        Assert.Equal(2, _node.Sum(c => c.TlsHandshakes));
    }

    [Fact]
    public async Task Renegotiation_OfAClientThatTakesTheRefusal_LeavesTheSessionAsItIs()
    {
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, "a");
        var records = RecordWriter.After(client, recordsSent: 2);
        byte[] packet = ConnectBytes.Publish("t", "still here"u8);
        for (int i = 0; i < 3; i++)
            client.Socket.Send(records.Handshake([1, 0, 0, 0]));
        client.Socket.Send(records.Data(packet));
        var broker = await _broker.NextConnectionAsync();
        byte[] expected = [.. ConnectBytes.V311("a"), .. packet];
        byte[] received = await broker.WaitForReceivedAsync(expected.Length);
        Assert.Equal(expected, received);
    }

    /// <summary>OpenSSL refuses hellos for as long as it finds any: one client must not keep a reactor from all the others.</summary>
    [Fact]
    public async Task Renegotiations_WithoutEnd_EndTheSession()
    {
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var other = Established(context, "other");
        using var client = Established(context, "a");
        var records = RecordWriter.After(client, recordsSent: 2);
        using var go = new ManualResetEventSlim();
        var reactor = _node.Node.Reactors.Single();
        reactor.Post(_ => go.Wait());
        int hellos = 0;
        while (TrySend(client.Socket, records.Handshake([1, 0, 0, 0])))
            hellos++;
        var stopwatch = System.Diagnostics.Stopwatch.StartNew();
        go.Set();
        // Behind the event of the client's that is there already.
        for (int i = 0; i < 3; i++)
            await reactor.AskAsync(_ => true);
        output.WriteLine($"{hellos} hellos held the reactor up for {stopwatch.ElapsedMilliseconds} ms");
        Assert.InRange(hellos, 2_000, int.MaxValue);
        await _node.UntilAsync(() => _node.Node.Admission.Active == 1);
        Echoes(other);
    }

    /// <summary>False when the socket takes no more.</summary>
    private static bool TrySend(Socket socket, byte[] record)
    {
        int sent = socket.Send(record, SocketFlags.None, out var error);
        return error == SocketError.Success && sent == record.Length;
    }

    private NativeClient Established(TlsClientContext context, string id)
    {
        var client = new NativeClient(context, _node.EndPoint, id);
        Assert.Equal(HandshakeStatus.Done, client.Handshake());
        client.Write(ConnectBytes.V311(id));
        Assert.Equal(FakeBroker.ConnackBytes(0), client.ReadExactly(4));
        return client;
    }

    private static void Echoes(NativeClient client)
    {
        byte[] packet = ConnectBytes.Publish("t", new byte[100]);
        client.Write(packet);
        Assert.Equal(packet, client.ReadExactly(packet.Length));
    }
}
