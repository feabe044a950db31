using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Fleet.Membership;
using ActorLb.Telemetry;
using ActorLb.Testing;
using Akka.Remote;
using Akka.Remote.Transport;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>
/// The fleet hosts of several nodes in this process. Each has its own loopback address, so that the seeds are known before any
/// host starts and no port needs to be free on all addresses.
/// </summary>
internal sealed class FleetNodes : IAsyncDisposable
{
    private const int Port = 7946;

    private readonly FleetHost?[] _hosts;
    private readonly ConcurrentDictionary<int, EventFeed> _events = new();
    private readonly string _prefix = $"127.{RandomNumberGenerator.GetInt32(1, 255)}.{RandomNumberGenerator.GetInt32(1, 255)}.";

    public FleetNodes(int count, int? seeds = null)
    {
        _hosts = new FleetHost?[count];
        Seeds = [.. Enumerable.Range(0, seeds ?? count).Select(i => new DnsEndPoint(AddressOf(i), Port))];
    }

    public ImmutableArray<DnsEndPoint> Seeds { get; set; }

    /// <summary>Adapts the common settings for each node.</summary>
    public Func<int, FleetSettings, FleetSettings> Adapt { get; set; } = (_, s) => s;

    public Func<int, IReadOnlyList<IFleetPart>> Parts { get; set; } = _ => [];

    public CollectedLog Log { get; } = new();

    public int Count => _hosts.Length;

    public FleetHost this[int node] => _hosts[node]!;

    public IEnumerable<FleetHost> Running => _hosts.OfType<FleetHost>();

    public string AddressOf(int node) => _prefix + (node + 1);

    public FleetSettings SettingsOf(int node) => Adapt(node, new FleetSettings(
        "test", $"n{node}", IPEndPoint.Parse($"{AddressOf(node)}:{Port}"), Advertise: null, Zone: null, Seeds, TimeSpan.FromSeconds(5),
        TimeSpan.FromSeconds(2), SplitRule.Majority, Shards: 16, SecretFile: null, Tls: null,
        // Lets the tests cut links.
        Akka: "akka.remote.dot-netty.tcp.applied-adapters = [trttl]"));

    public void Start(params ReadOnlySpan<int> nodes)
    {
        foreach (int node in nodes)
        {
            var events = _events.GetOrAdd(node, n => new EventFeed($"n{n}", TimeProvider.System));
            var host = new FleetHost(SettingsOf(node), Parts(node), events, TimeProvider.System, Log);
            _hosts[node] = host;
            host.Start();
        }
    }

    public void StartAll() => Start([.. Enumerable.Range(0, Count)]);

    /// <summary>Stops a node as if its process had been killed, without notifying the others.</summary>
    public async Task KillAsync(int node)
    {
        var host = _hosts[node]!;
        _hosts[node] = null;
        await host.DisposeAsync();
    }

    /// <summary>Waits until exactly these nodes see each other as reachable members of one fleet.</summary>
    public async Task FormedAsync(params int[] nodes)
    {
        string[] names = [.. nodes.Select(n => $"n{n}").Order(StringComparer.Ordinal)];
        await Wait.UntilAsync(
            () => nodes.All(n => this[n].Standing is { Stage: FleetStage.Member, Members: { } members }
                && members.All.All(m => m.IsReachable) && members.All.Select(m => m.Id.Name).SequenceEqual(names)),
            () => string.Join("; ", nodes.Select(n => $"n{n} {Describe(this[n])}")) + LogText());
        // One fleet, not several with the same names.
        Assert.Single(nodes.Select(n => string.Join(",", this[n].Standing.Members!.All.Select(m => m.Id))).Distinct());
    }

    public Task DetachedAsync(int node) => Wait.UntilAsync(() => this[node].Standing.Stage == FleetStage.Detached, () => Describe(this[node]) + LogText());

    /// <summary>Cuts or restores the link between two nodes, in both directions.</summary>
    public async Task CutAsync(int one, int other, bool isCut)
    {
        ThrottleMode mode = isCut ? Blackhole.Instance : Unthrottled.Instance;
        await SetAsync(one, other, mode);
        await SetAsync(other, one, mode);
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(Running.Select(h => h.DisposeAsync().AsTask()));

    /// <summary>Whether a node considers another reachable.</summary>
    public bool Hears(int node, int other) => this[node].Standing.Members?.All.Any(m => m.Id.Name == $"n{other}" && m.IsHeard) == true;

    /// <summary>How many of a node's events contain this text.</summary>
    public int Heard(int node, string kind, string part)
    {
        using var watch = _events[node].TryWatch(EventFeed.Kept);
        int count = 0;
        while (watch!.Events.TryRead(out var item))
        {
            if (item.Kind == kind && item.Text.Contains(part, StringComparison.Ordinal)) count++;
        }
        return count;
    }

    public string LogText() => "\n" + string.Join("\n", Log.Lines.TakeLast(60).Select(l => $"{l.Level} {l.Text}"));

    private static string Describe(FleetHost host)
    {
        var standing = host.Standing;
        return $"{standing.Stage} {standing.Reason} [{string.Join(",", standing.Members?.All.Select(m => m.Id.Name + (m.IsReachable ? "" : "?")) ?? [])}]";
    }

    private async Task SetAsync(int from, int to, ThrottleMode mode)
    {
        if (this[from].System is not { } system) return;
        var provider = (IRemoteActorRefProvider)((Akka.Actor.ExtendedActorSystem)system.System).Provider;
        var self = system.Cluster.SelfAddress;
        var address = new Akka.Actor.Address(self.Protocol, self.System, AddressOf(to), Port);
        await provider.Transport.ManagementCommand(new SetThrottle(address, ThrottleTransportAdapter.Direction.Both, mode));
    }
}
