using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Proxying;
using ActorLb.Proxying.Streams;
using ActorLb.Supervision;
using ActorLb.Telemetry;
using ActorLb.Testing.Peers;

namespace ActorLb.Testing;

/// <summary>A balancer inside of the test process: one pool, one listener on a port of the kernel's choice, and what a test adds.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    private readonly TempFolder _folder;

    private TestNode(Node node, CollectedLog log, TempFolder folder)
    {
        Node = node;
        Log = log;
        _folder = folder;
    }

    public Node Node { get; }

    public CollectedLog Log { get; }

    /// <summary>Where the listener named mqtt takes clients.</summary>
    public IPEndPoint EndPoint => Of("mqtt");

    public IPEndPoint Of(string listener) => Node.Listeners.Single(l => l.Name == listener).BoundTo!;

    /// <param name="pool">Settings of the pool <c>p</c>.</param>
    /// <param name="listener">Settings of the listener <c>mqtt</c>.</param>
    /// <param name="more">Further settings within <c>actorlb</c>.</param>
    public static Task<TestNode> StartAsync(string pool, string listener = "", string more = "") => StartTextAsync(Text(pool, listener, more));

    /// <param name="plane">Null is the one that the run of the tests is about.</param>
    public static async Task<TestNode> StartTextAsync(string text, DataPlaneKind? plane = null)
    {
        var folder = new TempFolder();
        var log = new CollectedLog();
        var node = new Node(plane is { } kind ? TestedPlane.Apply(Parse(text, folder), kind) : Load(text, folder), log, TimeProvider.System);
        try
        {
            await node.StartAsync();
            return new TestNode(node, log, folder);
        }
        catch
        {
            await node.DisposeAsync();
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The configuration that <see cref="StartAsync"/> starts with, to be changed for a reload.</summary>
    public static string Text(string pool, string listener = "", string more = "") => $$"""
        actorlb {
          node { name = test, workers = 1, pid-file = off }
          pools.p {
            health.probe = none
            {{pool}}
          }
          listeners.mqtt {
            bind = "127.0.0.1:0", pool = p
            {{listener}}
          }
          {{more}}
        }
        """;

    /// <summary>A pool's <c>backends</c> with these brokers, all defaults.</summary>
    public static string Backends(params IEnumerable<FakeBroker> brokers) =>
        $"backends = [{string.Join(", ", brokers.Select(b => $"\"{b.EndPoint}\""))}]\n";

    public Task ReloadAsync(string text) => Node.ReloadAsync(Load(text, _folder));

    public Task<RawClient> DialAsync(IPAddress? from = null, int? receiveBuffer = null) => RawClient.ConnectAsync(EndPoint, from, receiveBuffer);

    /// <summary>A client whose CONNECT was accepted.</summary>
    public async Task<RawClient> OpenAsync(string id, int version = 4, int keepAlive = 60, IPAddress? from = null)
    {
        var client = await DialAsync(from);
        try
        {
            await client.SendAsync(ConnectBytes.Of(version, id, keepAlive));
            byte[] answer = await client.ReadAsync(version == 5 ? 5 : 4);
            if (answer is not [0x20, _, _, 0, ..])
                throw new InvalidOperationException($"The client {id} got {Convert.ToHexString(answer)} instead of an accepting CONNACK.");
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Everything that a client with this first packet gets until its connection is closed.</summary>
    public async Task<byte[]> AskAsync(byte[] connect, IPAddress? from = null)
    {
        using var client = await DialAsync(from);
        await client.SendAsync(connect);
        return (await client.ReadToEndAsync()).Bytes;
    }

    public Backend Backend(FakeBroker broker) =>
        Node.Pools.Select(p => p.Pool.Snapshot.Find(broker.EndPoint.ToString())).First(b => b is not null)!;

    /// <summary>A counter over all reactors.</summary>
    public long Sum(Func<ReactorCounters, long> counter) => Node.Reactors.Sum(r => counter(r.Counters));

    public long Closed(CloseReason reason) => Sum(c => Volatile.Read(ref c.Closed[(int)reason]));

    /// <summary>Actors of connections' graphs; none on the data plane that has none.</summary>
    public int Graphs => Node.Plane is StreamsPlane plane ? ActorTree.Read([plane.System]).Count(a => a.Type == "ActorGraphInterpreter") : 0;

    /// <summary>Waits for what the node does on its own threads.</summary>
    public Task UntilAsync(Func<bool> holds, Func<string>? otherwise = null) => Wait.UntilAsync(
        holds,
        () => (otherwise?.Invoke() ?? "What the node was expected to do did not come.")
            + $" {Sum(c => c.Accepted)} connections were accepted; ended: {string.Join(", ", Endings())}");

    public Task UntilClosedAsync(CloseReason reason, long count = 1) => UntilAsync(
        () => Closed(reason) >= count,
        () => $"{Closed(reason)} of {count} ended by {reason}.");

    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        _folder.Dispose();
    }

    private static ActorLbOptions Load(string text, TempFolder folder) => TestedPlane.Apply(Parse(text, folder), TestedPlane.Kind);

    private static ActorLbOptions Parse(string text, TempFolder folder)
    {
        var result = ConfigurationLoader.LoadText(text, folder["test.conf"]);
        return result.Options ?? throw new ArgumentException(string.Join('\n', result.Errors), nameof(text));
    }

    public IEnumerable<string> Endings() =>
        from reason in Enum.GetValues<CloseReason>() where Closed(reason) > 0 select $"{reason} {Closed(reason)}";
}
