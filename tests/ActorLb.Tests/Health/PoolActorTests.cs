using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Health;
using ActorLb.Supervision;
using ActorLb.Telemetry;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using ActorLb.Tests.Hosting;
using Akka.Actor;

namespace ActorLb.Tests.Health;

public sealed class PoolActorTests : IAsyncDisposable
{
    private readonly VirtualSystem _system = new();
    private readonly Channel<PoolEvent> _events = Channel.CreateUnbounded<PoolEvent>();
    private readonly ConcurrentDictionary<string, IPAddress[]> _hosts = new();
    private readonly ConcurrentDictionary<string, SrvRecord[]> _services = new();
    private readonly ConcurrentDictionary<string, bool> _dead = new();
    private readonly ConcurrentDictionary<string, string> _own = new();
    private int _asked;
    private volatile bool _silent;
    private volatile bool _unable;
    private volatile bool _throwing;
    private volatile bool _broken;
    private volatile TaskCompletionSource<ProbeResult>? _held;
    private volatile bool _evacuating;
    private int _probed;

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    private sealed class FakeProbe(PoolActorTests test) : IHealthProbe
    {
        public string Name => "fake";

        public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref test._probed);
            if (test._held is { } held)
            {
                return await held.Task;
            }

            if (test._silent)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            if (test._unable)
            {
                SocketException e = new((int)SocketError.TooManyOpenSockets);
                return test._throwing ? throw e : ProbeResult.Of(e, "no descriptor");
            }

            if (test._evacuating)
            {
                return ProbeResult.Draining("HTTP status 503");
            }

            return test._dead.ContainsKey(endPoint.ToString()) ? ProbeResult.Failed("dead") : ProbeResult.Ok;
        }
    }

    private PoolControl Start(PoolOptions options) => PoolControl.Start(
        _system.System, new Pool(options, _system.Time, e => _events.Writer.TryWrite(e)),
        new NameResolution(
            (host, _) =>
            {
                Interlocked.Increment(ref _asked);
                return _hosts.TryGetValue(host, out IPAddress[]? found)
                    ? Task.FromResult(found)
                    : Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
            },
            (name, _) => _services.TryGetValue(name, out SrvRecord[]? found)
                ? Task.FromResult<IReadOnlyList<SrvRecord>>(found)
                : Task.FromException<IReadOnlyList<SrvRecord>>(new IOException("no SRV record"))),
        (pool, _) => _broken ? throw new InvalidOperationException("broken") : pool.Health.Probe == ProbeKind.None ? null : new FakeProbe(this),
        _system.Time, _system.Log, new Random(1), at => _own.GetValueOrDefault(at.ToString()));

    /// <summary>Lets fake time pass until the event has come.</summary>
    /// <param name="backend">Null for any.</param>
    private async Task<PoolEvent> EventAsync(PoolEventKind kind, string? backend = null)
    {
        using CancellationTokenSource patience = new(Wait.Patience);
        while (true)
        {
            while (_events.Reader.TryRead(out PoolEvent? found))
            {
                if (found.Kind == kind && (backend is null || found.Backend?.Id == backend))
                {
                    return found;
                }
            }

            _system.Advance(TimeSpan.FromMilliseconds(500));
            await Task.Yield();
            if (patience.IsCancellationRequested) throw new TimeoutException(_system.Describe());
        }
    }

    /// <summary>What the configuration does not show: a name that leads to this node, from the start or later.</summary>
    [Fact]
    public async Task Name_OfThisNode_GetsNoClients()
    {
        _own["10.0.0.1:1883"] = "listener mqtt";
        _hosts["self.example"] = [IPAddress.Parse("10.0.0.1")];
        _hosts["mixed.example"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        _hosts["later.example"] = [IPAddress.Parse("10.0.0.3")];
        await using PoolControl actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("self.example"), Pools.Backend("mixed.example"), Pools.Backend("later.example")));
        await actor.Ready.WaitAsync(Wait.Patience);

        Backend[] backends = actor.Pool.Snapshot.Backends.ToArray();
        Assert.Null(backends[0].EndPoint);
        Assert.Equal("10.0.0.2:1883", backends[1].EndPoint!.ToString());
        Assert.Equal([0, 5, 5], actor.Pool.Spread(10));
        Assert.Contains(
            "pool emqx: backend self.example:1883 cannot be resolved: its name leads to this node itself (listener mqtt): each of its clients would come back as a new one; using none of its addresses",
            _system.Log.Lines.Select(l => l.Text[Math.Max(0, l.Text.IndexOf("pool ", StringComparison.Ordinal))..]));

        _hosts["self.example"] = [IPAddress.Parse("10.0.0.4")];
        await EventAsync(PoolEventKind.BackendResolved, "self.example:1883");
        _hosts["later.example"] = [IPAddress.Parse("10.0.0.1")];
        Assert.Contains("this node itself", (await EventAsync(PoolEventKind.BackendUnresolved, "later.example:1883")).Detail, StringComparison.Ordinal);
        Assert.Null(backends[2].EndPoint);
        Assert.Equal("10.0.0.4:1883", backends[0].EndPoint!.ToString());
    }

    [Fact]
    public async Task Discovery_OfThisNode_LeavesItOut()
    {
        _own["10.0.0.1:1883"] = "listener mqtt";
        _hosts[Discovering(srv: false).Discovery!.Source] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        await using PoolControl actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);
        Assert.Equal(["10.0.0.2:1883"], actor.Pool.Snapshot.Backends.ToArray().Select(b => b.Id));
        Assert.Contains(_system.Log.Lines, l => l.Text.Contains("lists this node itself: 10.0.0.1:1883 (listener mqtt); it is left out", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_Names_ResolvedBeforeReady()
    {
        _hosts["a.example"] = [IPAddress.Parse("10.0.0.2"), IPAddress.Parse("::9"), IPAddress.Parse("10.0.0.1")];
        await using PoolControl actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("a.example"), Pools.Backend("b.example")));

        await actor.Ready.WaitAsync(Wait.Patience);

        Backend[] backends = actor.Pool.Snapshot.Backends.ToArray();
        Assert.Equal(["10.0.0.1:1883", "10.0.0.2:1883"], backends[0].EndPoints.ToArray().Select(e => e.ToString()));
        Assert.Null(backends[1].EndPoint);
        Assert.Equal([10, 0], actor.Pool.Spread(10));
    }

    [Fact]
    public async Task Resolve_UnknownThenKnownThenLost_KeepsTheLastAddresses()
    {
        await using PoolControl actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("a.example")));
        Assert.NotNull((await EventAsync(PoolEventKind.BackendUnresolved)).Detail);

        _hosts["a.example"] = [IPAddress.Parse("10.0.0.1")];
        Assert.Equal("10.0.0.1", (await EventAsync(PoolEventKind.BackendResolved)).Detail);

        _hosts.Clear();
        await EventAsync(PoolEventKind.BackendUnresolved);
        Assert.Equal("10.0.0.1:1883", actor.Pool.Snapshot.Backends[0].EndPoint?.ToString());

        _hosts["a.example"] = [IPAddress.Parse("10.0.0.2")];
        Assert.Equal("10.0.0.2", (await EventAsync(PoolEventKind.BackendResolved)).Detail);
    }

    [Fact]
    public async Task Resolve_StillUnknown_OneEventADifferentProblem()
    {
        await using PoolControl actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("a.example")));
        await EventAsync(PoolEventKind.BackendUnresolved);
        while (Volatile.Read(ref _asked) < 6)
        {
            _system.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await actor.StopAsync();

        Assert.False(_events.Reader.TryRead(out PoolEvent? more), more?.ToString());
    }

    [Fact]
    public async Task Probes_DeadThenAlive_DownAndUp()
    {
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });
        await EventAsync(PoolEventKind.HealthUp);
        await EventAsync(PoolEventKind.HealthUp);

        _dead["10.0.0.2:1883"] = true;
        PoolEvent down = await EventAsync(PoolEventKind.HealthDown);
        Assert.Equal(("10.0.0.2:1883", "dead"), (down.Backend?.Id, down.Detail));
        Assert.Equal([10, 0], actor.Pool.Spread(10));

        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp);
        Assert.Equal(HealthState.Up, actor.Pool.Snapshot.Backends[1].Health);
    }

    /// <summary>A node of EMQX that is evacuated: alive, for those that belong to it, until a probe says otherwise, or it dies.</summary>
    [Fact]
    public async Task Probes_ToldOfADrain_KeepThoseThatBelong_UntilAGoodOne()
    {
        _evacuating = true;
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Http } });
        Backend backend = actor.Pool.Snapshot.Backends[0];

        Assert.Equal("HTTP status 503", (await EventAsync(PoolEventKind.ProbeDraining)).Detail);
        await EventAsync(PoolEventKind.HealthUp);
        Assert.Equal((BackendBlocks.DrainingByProbe, HealthState.Up, "draining"), (backend.Blocks, backend.Health, BackendWords.HealthOf(backend)));
        Assert.Equal((false, true), (backend.IsEligible(0, newClient: true), backend.IsEligible(0, newClient: false)));
        Assert.Equal(["draining-by-probe"], BackendWords.Of(backend.Blocks));

        _evacuating = false;
        await EventAsync(PoolEventKind.ProbeDrained);
        Assert.Equal(BackendBlocks.None, backend.Blocks);

        _evacuating = true;
        await EventAsync(PoolEventKind.ProbeDraining);
        _evacuating = false;
        _dead[backend.EndPoint!.ToString()] = true;
        await EventAsync(PoolEventKind.HealthDown);
        Assert.Equal((BackendBlocks.Unhealthy, "down"), (backend.Blocks, BackendWords.HealthOf(backend)));
        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp);
        Assert.Equal(BackendBlocks.None, backend.Blocks);
        Assert.Contains(_system.Log.Lines, l => l.Text.Contains("is draining at its own request (HTTP status 503)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Reload_ProbesOff_EndsADrainByProbe()
    {
        _evacuating = true;
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Http } });
        await EventAsync(PoolEventKind.HealthUp);

        await actor.ReloadAsync(options, CancellationToken.None);

        Assert.Equal(BackendBlocks.None, actor.Pool.Snapshot.Backends[0].Blocks);
    }

    [Fact]
    public async Task Probes_NoAnswer_DownByTimeout()
    {
        _silent = true;
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });

        Assert.Equal("no answer within 2 s", (await EventAsync(PoolEventKind.HealthDown)).Detail);
    }

    [Fact]
    public async Task Reload_ProbesOff_HealthForgotten()
    {
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        _dead["10.0.0.1:1883"] = true;
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Tcp } });
        await EventAsync(PoolEventKind.HealthDown);
        Assert.Null(actor.Pool.Pick());

        PoolChange change = await actor.ReloadAsync(
            Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.3")), CancellationToken.None);

        Assert.Single(change.Added);
        Assert.Equal(HealthState.Unknown, actor.Pool.Snapshot.Backends[0].Health);
        Assert.NotNull(actor.Pool.Pick());
    }

    [Fact]
    public async Task Discovery_Addresses_ComeAndGo()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.2"), IPAddress.Parse("10.0.0.1")];
        await using PoolControl actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);
        Assert.Equal(["10.0.0.1:1883", "10.0.0.2:1883"], Ids(actor));
        Backend kept = actor.Pool.Snapshot.Backends[1];

        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.2"), IPAddress.Parse("10.0.0.3")];
        await EventAsync(PoolEventKind.BackendRemoved);
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.2:1883", "10.0.0.3:1883"], Ids(actor));
        Assert.Same(kept, actor.Pool.Snapshot.Backends[0]);

        _hosts.Clear();
        await EventAsync(PoolEventKind.DiscoveryFailed);
        Assert.Equal(2, actor.Pool.Snapshot.Backends.Length);

        await actor.ReloadAsync(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.9")), CancellationToken.None);
        Assert.Equal(["10.0.0.9:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_AnswerOfStrangers_WorkingOnesStayUntilTheyAreReplaced()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        _dead["10.0.0.9:1883"] = true;
        await using PoolControl actor = Start(Discovering(srv: false) with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });
        await EventAsync(PoolEventKind.HealthUp);
        await EventAsync(PoolEventKind.HealthUp);

        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.9")];
        await EventAsync(PoolEventKind.Discovered);
        await EventAsync(PoolEventKind.HealthDown);
        Assert.Equal(["10.0.0.9:1883", "10.0.0.1:1883", "10.0.0.2:1883"], Ids(actor));
        Assert.Equal([0, 5, 5], actor.Pool.Spread(10));

        // What is kept and fails goes with its failure, the rest when the new one works.
        _dead["10.0.0.1:1883"] = true;
        await EventAsync(PoolEventKind.BackendRemoved);
        Assert.Equal(["10.0.0.9:1883", "10.0.0.2:1883"], Ids(actor));
        _dead.Clear();
        await EventAsync(PoolEventKind.BackendRemoved);
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.9:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_WithoutProbes_ClientsTakenCountAsProof()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        await using PoolControl actor = Start(Discovering(srv: false));
        await EventAsync(PoolEventKind.Discovered);
        actor.Pool.Snapshot.Backends[0].ReportSuccess(1);

        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.9")];
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.9:1883", "10.0.0.1:1883"], Ids(actor));
        actor.Pool.Snapshot.Backends[0].ReportSuccess(1);
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.9:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_AnotherNameByReload_OldBackendsServeUntilItIsAnswered()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1")];
        await using PoolControl actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);

        PoolOptions other = Discovering(srv: false) with { Discovery = (DnsDiscoveryOptions)Discovering(srv: false).Discovery! with { Name = "other" } };
        await actor.ReloadAsync(other, CancellationToken.None);
        await EventAsync(PoolEventKind.DiscoveryFailed);
        Assert.Equal(["10.0.0.1:1883"], Ids(actor));
        _hosts["other"] = [IPAddress.Parse("10.0.0.2")];
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.2:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_ThousandsOfAddresses_Bounded()
    {
        _hosts["emqx-headless"] = [.. Enumerable.Range(0, 3000).Select(i => new IPAddress(0x0A000000L + i))];
        _hosts["many.example"] = _hosts["emqx-headless"];
        await using PoolControl actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);
        Assert.Equal(DiscoveryMerge.MaxTargets, actor.Pool.Snapshot.Backends.Length);

        await actor.ReloadAsync(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("many.example")), CancellationToken.None);
        await EventAsync(PoolEventKind.BackendResolved);
        Assert.Equal(DiscoveryMerge.MaxTargets, actor.Pool.Snapshot.Backends[0].EndPoints.Length);
    }

    [Fact]
    public async Task Discovery_Srv_PortsWeightsAndPriorities()
    {
        _services["_mqtt._tcp.example"] =
        [
            new SrvRecord(20, 5, 1885, "c.example"), new SrvRecord(10, 0, 1884, "b.example"), new SrvRecord(10, 7, 1883, "a.example"),
        ];
        foreach (string host in new[] { "a", "b", "c" })
        {
            _hosts[$"{host}.example"] = [IPAddress.Parse("10.0.0.1")];
        }

        await using PoolControl actor = Start(Discovering(srv: true));
        await actor.Ready.WaitAsync(Wait.Patience);

        Assert.Equal(["a.example:1883 7 False", "b.example:1884 1 False", "c.example:1885 5 True"],
            actor.Pool.Snapshot.Backends.ToArray().Select(b => $"{b.Id} {b.Weight} {b.Backup}"));
        Assert.NotNull(actor.Pool.Snapshot.Backends[2].EndPoint);
    }

    [Fact]
    public async Task Reload_AfterStop_Fails()
    {
        PoolControl actor = Start(Pools.Options(BalanceKind.RoundRobin));
        await actor.DisposeAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => actor.ReloadAsync(Pools.Options(BalanceKind.RoundRobin), CancellationToken.None));
        await actor.Ready.WaitAsync(Wait.Patience);
    }

    private static string[] Ids(PoolControl actor) => [.. actor.Pool.Snapshot.Backends.ToArray().Select(b => b.Id)];

    private static PoolOptions Discovering(bool srv) => Pools.Options(BalanceKind.RoundRobin) with
    {
        Discovery = new DnsDiscoveryOptions(
            srv ? "_mqtt._tcp.example" : "emqx-headless", 1883, srv, TimeSpan.FromSeconds(10), Pools.Backend("template")),
    };

    /// <summary>Out of descriptors a node would otherwise take all brokers down, and in a fleet vote for it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Probe_ThatThisNodeCannotMake_ChangesNothing(bool throws)
    {
        _throwing = throws;
        _dead["127.0.0.1:2"] = true;
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("127.0.0.1", port: 1), Pools.Backend("127.0.0.1", port: 2));
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt, Rise = 1, Fall = 1 } });
        Assert.Equal("127.0.0.1:2", (await EventAsync(PoolEventKind.HealthDown)).Backend!.Id);
        Backend up = actor.Pool.Snapshot.Find("127.0.0.1:1")!, down = actor.Pool.Snapshot.Find("127.0.0.1:2")!;
        await _system.UntilAsync(() => up.Health == HealthState.Up);
        _unable = true;
        long before = actor.Pool.InconclusiveProbes;
        await _system.UntilAsync(() => actor.Pool.InconclusiveProbes > before + 10);
        Assert.Equal((HealthState.Up, HealthState.Down), (up.Health, down.Health));
        _unable = false;
        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp, "127.0.0.1:2");
        Assert.Equal(HealthState.Up, up.Health);
    }

    [Fact]
    public async Task Probe_LateAnswerOfAnEarlierOrder_CountsForNothing()
    {
        TaskCompletionSource<ProbeResult> held = new();
        _held = held;
        HealthOptions health = Pools.NoHealth with { Probe = ProbeKind.Mqtt, Rise = 1, Fall = 1 };
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")) with { Health = health };
        await using PoolControl actor = Start(options);
        await _system.UntilAsync(() => Volatile.Read(ref _probed) == 1);

        _held = null;
        await actor.ReloadAsync(options with { Health = health with { Interval = TimeSpan.FromSeconds(3) } }, CancellationToken.None);
        await EventAsync(PoolEventKind.HealthUp);
        held.SetResult(ProbeResult.Failed("late"));
        int before = Volatile.Read(ref _probed);
        await _system.UntilAsync(() => Volatile.Read(ref _probed) > before + 3);

        Assert.Equal(HealthState.Up, actor.Pool.Snapshot.Backends[0].Health);
        Assert.False(_events.Reader.TryRead(out PoolEvent? more), more?.ToString());
    }

    [Fact]
    public async Task Failure_OfOneBackendsActor_DisturbsNoOther()
    {
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
        await using PoolControl actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });
        await EventAsync(PoolEventKind.HealthUp);
        await EventAsync(PoolEventKind.HealthUp);

        // An order that cannot be followed.
        _system.System.ActorSelection("/user/pool-emqx/10.0.0.2:1883").Tell(new ProbeOrder(new FakeProbe(this), null!));
        await _system.UntilAsync(() => RestartsOf("node/user/pool-emqx/10.0.0.2:1883") == 1);
        Assert.Equal((0, 0), (RestartsOf("node/user/pool-emqx"), RestartsOf("node/user/pool-emqx/10.0.0.1:1883")));
        Assert.All(actor.Pool.Snapshot.Backends.ToArray(), b => Assert.Equal(HealthState.Up, b.Health));

        // It probes again, by the pool's options.
        _dead["10.0.0.2:1883"] = true;
        Assert.Equal("10.0.0.2:1883", (await EventAsync(PoolEventKind.HealthDown)).Backend!.Id);
    }

    [Fact]
    public async Task Failure_OfThePoolsActor_WhoAskedIsTold_VerdictsStayAndTheWorkGoesOn()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        _dead["10.0.0.2:1883"] = true;
        PoolOptions options = Discovering(srv: false) with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } };
        await using PoolControl actor = Start(options);
        await _system.UntilAsync(() => actor.Pool.Snapshot.Backends.ToArray().Count(b => b.Health != HealthState.Unknown) == 2);
        _broken = true;
        await Assert.ThrowsAsync<InvalidOperationException>(() => actor.ReloadAsync(
            options with { Health = options.Health with { Interval = TimeSpan.FromSeconds(3) } }, CancellationToken.None));
        Assert.Equal([HealthState.Up, HealthState.Down], actor.Pool.Snapshot.Backends.ToArray().Select(b => b.Health));

        _broken = false;

        // What the broken reload set is in force; probes and discovery go on by it.
        Assert.Equal(TimeSpan.FromSeconds(3), actor.Pool.Options.Health.Interval);
        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp, "10.0.0.2:1883");
        Assert.Equal(1, RestartsOf("node/user/pool-emqx"));
        _hosts["emqx-headless"] = [.. _hosts["emqx-headless"], IPAddress.Parse("10.0.0.3")];
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(3, actor.Pool.Snapshot.Backends.Length);
        Assert.Empty((await actor.ReloadAsync(options, CancellationToken.None)).Removed);
    }

    [Fact]
    public async Task Backend_RemovedAndBackAtOnce_IsProbedAsANewOne()
    {
        HealthOptions health = Pools.NoHealth with { Probe = ProbeKind.Mqtt };
        PoolOptions both = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")) with { Health = health };
        PoolOptions one = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")) with { Health = health };
        await using PoolControl actor = Start(both);
        for (int i = 0; i < 20; i++)
        {
            Task<PoolChange> gone = actor.ReloadAsync(one, CancellationToken.None), back = actor.ReloadAsync(both, CancellationToken.None);
            Assert.Single((await gone).Removed);
            Assert.Single((await back).Added);
        }

        await _system.UntilAsync(() => actor.Pool.Snapshot.Backends[1].Health == HealthState.Up);
        Assert.Equal(0, RestartsOf("node/user/pool-emqx"));
        await VirtualSystem.SoonAsync(() => Actors().Count(a => a.Type == nameof(BackendActor)) == 2);
    }

    private long RestartsOf(string path) => Actors().Single(a => a.Path == path).Restarts;

    private IEnumerable<ActorState> Actors() => ActorTree.Read([_system.System]);
}
