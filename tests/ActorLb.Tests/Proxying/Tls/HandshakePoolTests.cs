using System.Collections.Concurrent;
using System.Net.Sockets;
using ActorLb.Native.OpenSsl;
using ActorLb.Proxying.Tls;
using ActorLb.Testing;
using ActorLb.Tests.Native.OpenSsl;

namespace ActorLb.Tests.Proxying.Tls;

public sealed class HandshakePoolTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TlsTestServer _server;

    public HandshakePoolTests() => _server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])));

    public void Dispose()
    {
        _server.Dispose();
        _ca.Dispose();
    }

    [Fact]
    public void Handshakes_OfManyClients_AllEndDone()
    {
        const int Count = 200;
        using var pool = new HandshakePool(Count, threads: 2);
        var owner = new Owner();
        using var clientContext = TlsClientContext.Build(new ActorLb.Configuration.UpstreamTlsOptions(_ca.CaPath, null, true, null, null));
        var clients = new List<TlsTestClient>();
        var connections = new List<TlsTestConnection>();
        for (var i = 0; i < Count; i++)
        {
            clients.Add(new TlsTestClient(clientContext, _server.Port, "a.test"));
            connections.Add(_server.Accept());
            _ = clients[i].Connection.Tls.Handshake();
            Assert.True(pool.TryBegin(connections[i].Tls, i, owner));
        }

        var done = 0;
        while (done < Count)
        {
            var (token, outcome) = owner.Take();
            if (outcome.Status == HandshakeStatus.Done)
            {
                done++;
                continue;
            }

            Assert.Equal(HandshakeStatus.WantRead, outcome.Status);
            _ = clients[(int)token].Connection.Tls.Handshake();
            pool.Submit(connections[(int)token].Tls, token, owner);
        }

        Assert.Equal(0, pool.Handshakes);
        Assert.All(connections, c => Assert.Equal("TLSv1.3", c.Tls.Protocol()));
        clients.ForEach(c => c.Dispose());
        connections.ForEach(c => c.Dispose());
    }

    [Fact]
    public void TryBegin_OverTheBound_WaitsUntilOneEnds()
    {
        using var pool = new HandshakePool(maxHandshakes: 2, threads: 1);
        var owner = new Owner();
        using var first = new Idle(_server);
        using var second = new Idle(_server);
        using var third = new Idle(_server);
        using var fourth = new Idle(_server);
        Assert.True(pool.TryBegin(first.Connection.Tls, 1, owner));
        Assert.True(pool.TryBegin(second.Connection.Tls, 2, owner));
        Assert.Equal((1, HandshakeStatus.WantRead), owner.TakeStatus());
        Assert.Equal((2, HandshakeStatus.WantRead), owner.TakeStatus());
        Assert.True(pool.IsFull);
        Assert.True(pool.TryBegin(third.Connection.Tls, 3, owner));
        Assert.True(pool.TryBegin(fourth.Connection.Tls, 4, owner));
        Assert.Equal((2, 2), (pool.Handshakes, pool.Waiting));
        pool.Abandon();
        Assert.Equal((3, HandshakeStatus.WantRead), owner.TakeStatus());

        // A failure frees its place by itself, and the next in the queue has it.
        third.Client.Shutdown(SocketShutdown.Send);
        Assert.True(third.Connection.Socket.Poll(TimeSpan.FromSeconds(10), SelectMode.SelectRead));
        pool.Submit(third.Connection.Tls, 3, owner);
        Assert.Equal((3, HandshakeStatus.Failed), owner.TakeStatus());
        Assert.Equal((4, HandshakeStatus.WantRead), owner.TakeStatus());
        Assert.Equal((2, 0), (pool.Handshakes, pool.Waiting));
    }

    [Fact]
    public void TryBegin_FarOverTheBound_IsRefused()
    {
        using var pool = new HandshakePool(maxHandshakes: 1, threads: 1);
        var owner = new Owner();
        using var idle = new Idle(_server);
        Assert.True(pool.TryBegin(idle.Connection.Tls, 0, owner));
        Assert.Equal((0, HandshakeStatus.WantRead), owner.TakeStatus());
        for (var i = 1; i <= HandshakePool.WaitingForEach; i++)
        {
            Assert.True(pool.TryBegin(default, i, owner));
        }

        Assert.False(pool.TryBegin(default, 100, owner));
        Assert.True(pool.TryTakeBack(1, owner));
        Assert.True(pool.TryBegin(default, 100, owner));
    }

    [Fact]
    public void TakeBack_OfOneThatWaits_GivesItsPlaceToTheNext()
    {
        using var pool = new HandshakePool(maxHandshakes: 1, threads: 1);
        var owner = new Owner();
        using var first = new Idle(_server);
        using var second = new Idle(_server);
        Assert.True(pool.TryBegin(first.Connection.Tls, 1, owner));
        Assert.Equal((1, HandshakeStatus.WantRead), owner.TakeStatus());
        Assert.True(pool.TryBegin(default, 2, owner));
        Assert.True(pool.TryBegin(second.Connection.Tls, 3, owner));
        Assert.False(pool.TryTakeBack(1, owner));
        Assert.False(pool.TryTakeBack(2, new Owner()));
        Assert.True(pool.TryTakeBack(2, owner));
        Assert.False(pool.TryTakeBack(2, owner));
        pool.Abandon();
        Assert.Equal((3, HandshakeStatus.WantRead), owner.TakeStatus());
    }

    [Fact]
    public void MaxHandshakes_Raised_LetsThoseInThatWait()
    {
        using var pool = new HandshakePool(maxHandshakes: 1, threads: 1);
        var owner = new Owner();
        using var first = new Idle(_server);
        using var second = new Idle(_server);
        Assert.True(pool.TryBegin(first.Connection.Tls, 1, owner));
        Assert.Equal((1, HandshakeStatus.WantRead), owner.TakeStatus());
        Assert.True(pool.TryBegin(second.Connection.Tls, 2, owner));
        pool.MaxHandshakes = 2;
        Assert.Equal((2, HandshakeStatus.WantRead), owner.TakeStatus());
    }

    [Fact]
    public async Task Dispose_WithStepsWaiting_TellsTheirOwners()
    {
        var pool = new HandshakePool(maxHandshakes: int.MaxValue, threads: 1);
        using var blocked = new SemaphoreSlim(0);
        using var entered = new SemaphoreSlim(0);
        var blocker = new Owner { Block = blocked, Entered = entered };
        var owner = new Owner();
        using var first = new Idle(_server);
        using var second = new Idle(_server);
        Assert.True(pool.TryBegin(first.Connection.Tls, 1, blocker));
        entered.Wait();
        Assert.True(pool.TryBegin(second.Connection.Tls, 2, owner));
        var ending = Task.Factory.StartNew(pool.Dispose, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        // The pool's thread is held, so what is begun until the pool refuses is never stepped.
        var probe = new Owner();
        long token = 10;
        Assert.True(SpinWait.SpinUntil(() => !pool.TryBegin(default, token++, probe), TimeSpan.FromSeconds(10)));
        blocked.Release();
        await ending.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains(owner.All, o => o is { Token: 2, Outcome.Reason: "the balancer is stopping" });
        pool.Submit(second.Connection.Tls, 5, owner);
        Assert.Contains(owner.All, o => o is { Token: 5, Outcome.Status: HandshakeStatus.Failed });
    }

    [Fact]
    public void Threads_OfThePool_AreNicerThanTheReactors()
    {
        using var pool = new HandshakePool(1, threads: 1);
        var owner = new Owner { RecordNiceness = true };
        using var idle = new Idle(_server);
        Assert.True(pool.TryBegin(idle.Connection.Tls, 1, owner));
        _ = owner.Take();
        Assert.Equal(19, owner.Niceness);
    }

    private sealed class Idle : IDisposable
    {
        internal Idle(TlsTestServer server)
        {
            Client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            Client.Connect("127.0.0.1", server.Port);
            Connection = server.Accept();
        }

        internal Socket Client { get; }

        internal TlsTestConnection Connection { get; }

        public void Dispose()
        {
            Connection.Dispose();
            Client.Dispose();
        }
    }

    private sealed class Owner : IHandshakeOwner
    {
        private readonly BlockingCollection<(long Token, HandshakeOutcome Outcome)> _outcomes = [];

        internal SemaphoreSlim? Block { get; init; }

        internal SemaphoreSlim? Entered { get; init; }

        internal bool RecordNiceness { get; init; }

        internal int Niceness { get; private set; }

        internal IEnumerable<(long Token, HandshakeOutcome Outcome)> All => _outcomes;

        public void HandshakeStepped(long token, HandshakeOutcome outcome)
        {
            Entered?.Release();
            Block?.Wait();
            if (RecordNiceness)
            {
                // proc(5), /proc/pid/stat: field 19 is the niceness; the name in field 2 ends with the last parenthesis.
                var stat = File.ReadAllText("/proc/thread-self/stat");
                Niceness = int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16]);
            }

            _outcomes.Add((token, outcome));
        }

        internal (long Token, HandshakeOutcome Outcome) Take() =>
            _outcomes.TryTake(out var outcome, TimeSpan.FromSeconds(30)) ? outcome : throw new TimeoutException("No step was made.");

        internal (long Token, HandshakeStatus Status) TakeStatus()
        {
            var (token, outcome) = Take();
            return (token, outcome.Status);
        }
    }
}
