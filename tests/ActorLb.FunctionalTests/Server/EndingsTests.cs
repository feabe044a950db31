using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>What thousands of connections leave behind, and what nine thousand that stay cost; seen from outside of the process.</summary>
public sealed class EndingsTests
{
    private static readonly byte[] Connect = ConnectBytes.V311("ending", keepAlive: 0);
    private static readonly byte[] Answer = FakeBroker.ConnackBytes(0);

    [Fact]
    [Trait("speed", "slow")]
    public async Task Descriptors_ThousandsOfConnectionsOfEveryEnding_AreAllGivenBack()
    {
        const int Batches = 40, OfEach = 6;
        await using var echo = FakeBroker.Start(FakeBroker.Accepting);
        await using var closing = FakeBroker.Start(EndAfterConnack(c => c.HalfClose()));
        await using var resetting = FakeBroker.Start(EndAfterConnack(c => c.Abort()));
        await using var refusing = FakeBroker.Start(FakeBroker.Answering(5));
        await using var silent = FakeBroker.Start(FakeBroker.Silent);
        await using var busy = FakeBroker.Start(FakeBroker.Answering(3));
        await using var nonsense = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadSomeAsync(stop);
            await connection.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), stop);
        });
        using var files = new NodeFiles();
        var fronts = new Dictionary<string, IPEndPoint>(StringComparer.Ordinal);
        string[] pools =
        [
            Pool("echo", Backend(echo)), Pool("closing", Backend(closing)), Pool("resetting", Backend(resetting)),
            Pool("refusing", Backend(refusing)), Pool("silent", Backend(silent), "connect-timeout = 100ms"),
            Pool("busy", $"{Backend(busy)}, {Backend(echo, "backup = true")}", "retry.tries = 2"),
            Pool("none", Backend(echo, "down = true")), Pool("nonsense", Backend(nonsense)), Pool("no-tls", Backend(nonsense), "tls.verify = off"),
        ];
        string listeners = string.Concat(
            Front("echo", "echo", "connect-timeout = 100ms"), Front("closing"), Front("resetting"), Front("refusing"), Front("silent"), Front("busy"),
            Front("none"), Front("nonsense"), Front("no-tls"), Front("limited", "closing", "limits.per-address.rate = 1"),
            Front("idle", "echo", "idle-timeout = 100ms"), Front("proxied", "echo", "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }"),
            Front("framed", "echo", WebSocketBytes.Listener));
        files.Write(TestNode.Backends(echo), more: string.Concat(pools) + listeners + "log.level = error");
        await using var node = await files.StartAsync();
        var endings = EndingsOf(fronts);
        // The first round opens what stays open: log, timers, the runtime's own.
        await Task.WhenAll(endings.Select(e => e()));
        await UntilIdleAsync(node);
        int before = Descriptors.Count(node.Process.Id);
        for (int batch = 0; batch < Batches; batch++)
            await Task.WhenAll(Enumerable.Range(0, OfEach * endings.Length).Select(i => endings[i % endings.Length]()));
        await UntilIdleAsync(node);
        // The request that asked for the figures may still hold its own connection.
        Assert.InRange(Descriptors.Count(node.Process.Id), before - 3, before + 3);
        const int Each = (Batches * OfEach) + 1;
        string status = await StatusAsync(node);
        Assert.Contains($" {Each * endings.Length} ", status, StringComparison.Ordinal);
        await AssertMeantAsync(node, Each, nonsense, busy);

        string Front(string name, string? pool = null, string settings = "")
        {
            fronts[name] = Ports.FreeEndPoint();
            return $"listeners.{name} {{ bind = \"{fronts[name]}\", pool = {pool ?? name}\n{settings} }}\n";
        }
    }

    /// <summary>Every way in which a connection may end here.</summary>
    private static Func<Task>[] EndingsOf(Dictionary<string, IPEndPoint> fronts)
    {
        byte[] frame = MalformedFrames.All[0].Bytes;
        return
        [
            () => EndAsync(fronts["echo"], Connect, 4, c => c.Dispose()),
            () => EndAsync(fronts["echo"], Connect, 4, c => c.Abort()),
            () => EndAsync(fronts["echo"], Connect, 4, c => c.HalfClose()),
            () => EndAsync(fronts["closing"], Connect, 4, null),
            () => EndAsync(fronts["resetting"], Connect, 4, null),
            () => EndAsync(fronts["refusing"], Connect, 4, null),
            () => EndAsync(fronts["silent"], Connect, 4, null),
            () => EndAsync(fronts["echo"], Connect[..5], 0, null),
            () => EndAsync(fronts["echo"], Connect[..5], 0, c => c.Abort()),
            () => EndAsync(fronts["echo"], "GET / HTTP/1.1\r\n\r\n"u8.ToArray(), 0, null),
            () => EndAsync(fronts["busy"], Connect, 4, c => c.Dispose()),
            () => EndAsync(fronts["none"], Connect, 4, null),
            () => EndAsync(fronts["limited"], Connect, 4, null),
            () => EndAsync(fronts["idle"], Connect, 4, null),
            () => EndAsync(fronts["proxied"], "PROXY NONSENSE\r\n"u8.ToArray(), 0, null),
            () => EndAsync(fronts["nonsense"], Connect, 4, null),
            () => EndAsync(fronts["framed"], "GET / HTTP/1.1\r\n\r\n"u8.ToArray(), 0, null),
            () => EndAsync(fronts["framed"], [.. WebSocketBytes.Upgrade, .. frame], 0, null),
            () => EndAsync(fronts["no-tls"], Connect, 4, null),
        ];
    }

    /// <summary>Each ended in the way that is meant.</summary>
    private static async Task AssertMeantAsync(ActorLbProcess node, int each, FakeBroker nonsense, FakeBroker busy)
    {
        string[] metrics = (await node.Admin.GetStringAsync(new Uri("metrics", UriKind.Relative), TestContext.Current.CancellationToken)).Split('\n');
        foreach (string? reason in new[] { "no_backend", "bad_proxy_header", "backend_protocol", "bad_upgrade", "bad_frame" })
            Assert.Equal(each, Rejected(reason));
        Assert.Contains($"actorlb_sessions_closed_total{{reason=\"idle_timeout\"}} {each}", metrics);
        Assert.Contains($"actorlb_backend_failures_total{{pool=\"no-tls\",backend=\"{nonsense.EndPoint}\"}} {each}", metrics);
        Assert.Contains($"actorlb_backend_refusals_total{{pool=\"busy\",backend=\"{busy.EndPoint}\"}} {each}", metrics);
        Assert.NotEqual(0, Rejected("address_rate"));

        // By whatever listener.
        long Rejected(string reason) => metrics
            .Where(l => l.StartsWith("actorlb_connections_rejected_total{", StringComparison.Ordinal) && l.Contains($",reason=\"{reason}\"}} ", StringComparison.Ordinal))
            .Sum(l => long.Parse(l.AsSpan(l.LastIndexOf(' ') + 1), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Idle_NineThousandConnections_CostLessThanAKilobyteEach()
    {
        const int Clients = 9000, Warm = 500;
        await using var host = new IdleBroker();
        using var files = new NodeFiles();
        files.Write($"backends = [\"{host.EndPoint}\"]", more: "log.level = error");
        await using var node = await files.StartAsync();
        var clients = new List<Socket>(Clients);
        try
        {
            // The first ones have the runtime compile and size what the others use again.
            OpenIdle(files.Front, clients, Warm);
            long before = Resident(node.Process.Id);
            OpenIdle(files.Front, clients, Clients - Warm);
            long perConnection = (Resident(node.Process.Id) - before) / (Clients - Warm);
            await node.Process.WaitUntilAsync(async () => (await StatusAsync(node)).Contains($"Waiting: {Clients} ", StringComparison.Ordinal));
            TestContext.Current.TestOutputHelper?.WriteLine($"{perConnection} bytes a connection");
            Assert.InRange(perConnection, 0, 1024);
            clients[0].Send("still"u8);
            clients[^1].Send("here!"u8);
        }
        finally
        {
            clients.ForEach(c => c.Dispose());
        }
    }

    private static string Pool(string name, string backends, string settings = "") =>
        $"pools.{name} {{ backends = [{backends}], health.probe = none, retry.tries = 1\n{settings} }}\n";

    // Whatever fails is asked again: each connection is to end in its own way.
    private static string Backend(FakeBroker broker, string settings = "") => $"{{ address = \"{broker.EndPoint}\", max-fails = 0, {settings} }}";

    private static FakeBrokerScript EndAfterConnack(Action<FakeBrokerConnection> end) => async (connection, stop) =>
    {
        await connection.ReadPacketAsync(stop);
        await connection.SendAsync(Answer, stop);
        end(connection);
    };

    private static async Task EndAsync(IPEndPoint front, byte[] first, int answer, Action<RawClient>? end)
    {
        using var client = await RawClient.ConnectAsync(front);
        await client.SendAsync(first);
        // A broker that resets at once may take its CONNACK with it.
        if (answer > 0 && end is not null)
            await client.ReadAsync(answer);
        if (end is null)
        {
            await client.ReadToEndAsync();
            return;
        }

        end(client);
    }

    private static async Task UntilIdleAsync(ActorLbProcess node) =>
        await node.Process.WaitUntilAsync(async () => (await StatusAsync(node)).StartsWith("Active connections: 0 ", StringComparison.Ordinal));

    private static Task<string> StatusAsync(ActorLbProcess node) =>
        node.Admin.GetStringAsync(new Uri("status", UriKind.Relative), TestContext.Current.CancellationToken);

    private static void OpenIdle(IPEndPoint front, List<Socket> into, int count)
    {
        Span<byte> answer = stackalloc byte[4];
        for (int i = 0; i < count; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            into.Add(socket);
            socket.Connect(front);
            socket.Send(ConnectBytes.V311($"idle-{i:D5}", keepAlive: 600));
            for (int got = 0; got < 4;)
            {
                int read = socket.Receive(answer[got..]);
                Assert.NotEqual(0, read);
                got += read;
            }

            Assert.Equal(Answer, answer);
        }
    }

    /// <summary>Bytes of anonymous memory that the process has in RAM (proc(5), smaps_rollup).</summary>
    private static long Resident(int process)
    {
        string line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/smaps_rollup"))
            .First(l => l.StartsWith("Anonymous:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>A broker that costs this process one thread and a socket a connection, not a task each.</summary>
    private sealed class IdleBroker : IAsyncDisposable
    {
        private readonly Socket _listener = new(SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _held = [];
        private readonly Task _accepting;

        public IdleBroker()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen(1024);
            EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
            _accepting = Task.Factory.StartNew(Accept, TaskCreationOptions.LongRunning);
        }

        public IPEndPoint EndPoint { get; }

        public async ValueTask DisposeAsync()
        {
            _listener.Dispose();
            await _accepting;
            _held.ForEach(s => s.Dispose());
        }

        private void Accept()
        {
            Span<byte> connect = stackalloc byte[256];
            try
            {
                while (true)
                {
                    var socket = _listener.Accept();
                    _held.Add(socket);
                    socket.Receive(connect);
                    socket.Send(Answer);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
