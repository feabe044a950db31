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

/// <summary>A pool's actors in virtual time: names, services and probes answer as the fields say.</summary>
public abstract class PoolActorFixture : IAsyncDisposable
{
    private protected readonly VirtualSystem _system = new();
    private protected readonly Channel<PoolEvent> _events = Channel.CreateUnbounded<PoolEvent>();
    private protected readonly ConcurrentDictionary<string, IPAddress[]> _hosts = new();
    private protected readonly ConcurrentDictionary<string, SrvRecord[]> _services = new();
    private protected readonly ConcurrentDictionary<string, bool> _dead = new();
    private protected readonly ConcurrentDictionary<string, string> _own = new();
    private protected int _asked;
    private protected volatile bool _silent;
    private protected volatile bool _unable;
    private protected volatile bool _throwing;
    private protected volatile bool _broken;
    private protected volatile TaskCompletionSource<ProbeResult>? _held;
    private protected volatile bool _evacuating;
    private protected int _probed;

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    private protected PoolControl Start(PoolOptions options) => PoolControl.Start(
        _system.System, new Pool(options, _system.Time, e => _events.Writer.TryWrite(e)),
        new NameResolution(
            (host, _) =>
            {
                Interlocked.Increment(ref _asked);
                return _hosts.TryGetValue(host, out var found)
                    ? Task.FromResult(found)
                    : Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
            },
            (name, _) => _services.TryGetValue(name, out var found)
                ? Task.FromResult<IReadOnlyList<SrvRecord>>(found)
                : Task.FromException<IReadOnlyList<SrvRecord>>(new IOException("no SRV record"))),
        (pool, _) => _broken ? throw new InvalidOperationException("broken") : pool.Health.Probe == ProbeKind.None ? null : new FakeProbe(this),
        _system.Time, _system.Log, new Random(1), at => _own.GetValueOrDefault(at.ToString()));

    /// <summary>Lets fake time pass until the event has come.</summary>
    /// <param name="backend">Null for any.</param>
    private protected async Task<PoolEvent> EventAsync(PoolEventKind kind, string? backend = null)
    {
        using CancellationTokenSource patience = new(Wait.Patience);
        while (true)
        {
            while (_events.Reader.TryRead(out var found))
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

    private protected static string[] Ids(PoolControl actor) => [.. actor.Pool.Snapshot.Backends.ToArray().Select(b => b.Id)];

    private protected static PoolOptions Discovering(bool srv) => Pools.Options(BalanceKind.RoundRobin) with
    {
        Discovery = new DnsDiscoveryOptions(
            srv ? "_mqtt._tcp.example" : "emqx-headless", 1883, srv, TimeSpan.FromSeconds(10), Pools.Backend("template")),
    };

    private protected long RestartsOf(string path) => Actors().Single(a => a.Path == path).Restarts;

    private protected IEnumerable<ActorState> Actors() => ActorTree.Read([_system.System]);

    private protected sealed class FakeProbe(PoolActorFixture test) : IHealthProbe
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
}
