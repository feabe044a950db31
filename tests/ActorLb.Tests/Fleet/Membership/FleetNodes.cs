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
/// Several nodes' fleet hosts in this process. Each has a loopback address of its own, so that the seeds are known before anyone is
/// started and no port has to be free everywhere.
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

    /// <summary>Makes each node's settings from the common ones.</summary>
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
            EventFeed events = _events.GetOrAdd(node, n => new EventFeed($"n{n}", TimeProvider.System));
            var host = new FleetHost(SettingsOf(node), Parts(node), events, TimeProvider.System, Log);
            _hosts[node] = host;
            host.Start();
        }
    }

    public void StartAll() => Start([.. Enumerable.Range(0, Count)]);

    /// <summary>As if the process had been killed: nothing is said to anyone.</summary>
    public async Task KillAsync(int node)
    {
        FleetHost host = _hosts[node]!;
        _hosts[node] = null;
        await host.DisposeAsync();
    }

    /// <summary>Until exactly these nodes see each other as members of one fleet, all reachable.</summary>
    public async Task FormedAsync(params int[] nodes)
    {
        string[] names = [.. nodes.Select(n => $"n{n}").Order(StringComparer.Ordinal)];
        await Wait.UntilAsync(
            () => nodes.All(n => this[n].Standing is { Stage: FleetStage.Member, Members: { } members }
                && members.All.All(m => m.IsReachable) && members.All.Select(m => m.Id.Name).SequenceEqual(names)),
            () => string.Join("; ", nodes.Select(n => $"n{n} {Describe(this[n])}")) + LogText());
        // One fleet and not several of the same names.
        Assert.Single(nodes.Select(n => string.Join(",", this[n].Standing.Members!.All.Select(m => m.Id))).Distinct());
    }

    public Task DetachedAsync(int node) => Wait.UntilAsync(() => this[node].Standing.Stage == FleetStage.Detached, () => Describe(this[node]) + LogText());

    /// <summary>Nothing passes between two nodes, either way, until it is let through again.</summary>
    public async Task CutAsync(int one, int other, bool isCut)
    {
        ThrottleMode mode = isCut ? Blackhole.Instance : Unthrottled.Instance;
        await SetAsync(one, other, mode);
        await SetAsync(other, one, mode);
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(Running.Select(h => h.DisposeAsync().AsTask()));

    /// <summary>Whether a node counts on being able to ask another.</summary>
    public bool Hears(int node, int other) => this[node].Standing.Members?.All.Any(m => m.Id.Name == $"n{other}" && m.IsHeard) == true;

    /// <summary>How often a node's events had this in them.</summary>
    public int Heard(int node, string kind, string part)
    {
        using EventFeed.Watch? watch = _events[node].TryWatch(EventFeed.Kept);
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
        FleetStanding standing = host.Standing;
        return $"{standing.Stage} {standing.Reason} [{string.Join(",", standing.Members?.All.Select(m => m.Id.Name + (m.IsReachable ? "" : "?")) ?? [])}]";
    }

    private async Task SetAsync(int from, int to, ThrottleMode mode)
    {
        if (this[from].System is not { } system) return;
        var provider = (IRemoteActorRefProvider)((Akka.Actor.ExtendedActorSystem)system.System).Provider;
        Akka.Actor.Address self = system.Cluster.SelfAddress;
        var address = new Akka.Actor.Address(self.Protocol, self.System, AddressOf(to), Port);
        await provider.Transport.ManagementCommand(new SetThrottle(address, ThrottleTransportAdapter.Direction.Both, mode));
    }
}
