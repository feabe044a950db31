using System.Globalization;
using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Fleet;

/// <summary>
/// A network of the test's own: each node in a network namespace, all of them and this process on one bridge, which has a namespace
/// too. Needs root and iproute2. All of it goes at dispose; should the test process die first, <see cref="ProcessReaper"/> sees to it.
/// </summary>
internal sealed class FleetNetwork : IAsyncDisposable
{
    /// <summary>Locally administered, and nobody's: what is sent there is lost without a word, as behind a cable that was pulled.</summary>
    private const string Nowhere = "02:00:00:00:00:01";

    private const int HostNumber = 254;

    private readonly string _name = $"alb{Random.Shared.Next(0x10000):x4}";

    // 198.18.0.0/15 is for tests of networks (RFC 2544, section C.2.2).
    private readonly int _subnet = Random.Shared.Next(256);
    private readonly int _nodes;

    private FleetNetwork(int nodes)
    {
        _nodes = nodes;
    }

    /// <summary>Of this process, for brokers.</summary>
    public IPAddress Host => AddressOf(HostNumber - 1);

    private string Hub => _name + "-hub";

    private string HostLink => _name + "h";

    /// <exception cref="InvalidOperationException">The machine does not let this process make it; the message says why.</exception>
    public static async Task<FleetNetwork> CreateAsync(int nodes)
    {
        var network = new FleetNetwork(nodes);
        try
        {
            await network.CreateAsync();
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    /// <param name="node">From 0 on.</param>
    public IPAddress AddressOf(int node) => IPAddress.Parse($"198.18.{_subnet}.{node + 1}");

    /// <summary>The command before a program that runs it as the node's.</summary>
    public IReadOnlyList<string> Within(int node) => ["ip", "netns", "exec", NameOf(node)];

    /// <summary>Nothing gets from one of the two nodes to the other any more; they learn of it by silence alone.</summary>
    public async Task CutAsync(int one, int other)
    {
        await WithinAsync(NameOf(one), "neigh", "replace", $"{AddressOf(other)}", "lladdr", Nowhere, "dev", "eth0", "nud", "permanent");
        await WithinAsync(NameOf(other), "neigh", "replace", $"{AddressOf(one)}", "lladdr", Nowhere, "dev", "eth0", "nud", "permanent");
    }

    public async Task HealAsync(int one, int other)
    {
        await WithinAsync(NameOf(one), "neigh", "del", $"{AddressOf(other)}", "dev", "eth0");
        await WithinAsync(NameOf(other), "neigh", "del", $"{AddressOf(one)}", "dev", "eth0");
    }

    public async ValueTask DisposeAsync()
    {
        // What is not there is removed all the same: a network that was begun and not finished goes, too. This process's link goes with
        // its other end in the hub.
        foreach (string? name in Enumerable.Range(0, _nodes).Select(NameOf).Append(Hub))
        {
            _ = await ProcessHost.RunAsync("ip", ["netns", "del", name], SystemPath.Environment);
            ProcessReaper.Forget(name);
        }
    }

    private async Task CreateAsync()
    {
        await AddAsync(Hub);
        await WithinAsync(Hub, "link", "add", "br0", "type", "bridge");
        await WithinAsync(Hub, "link", "set", "br0", "up");
        await IpAsync("link", "add", HostLink, "type", "veth", "peer", "name", "host", "netns", Hub);
        await IpAsync("addr", "add", $"{Host}/24", "dev", HostLink);
        await IpAsync("link", "set", HostLink, "up");
        await PlugAsync("host");
        for (int node = 0; node < _nodes; node++)
        {
            string name = NameOf(node);
            string port = string.Create(CultureInfo.InvariantCulture, $"port{node}");
            await AddAsync(name);
            await WithinAsync(name, "link", "set", "lo", "up");
            await WithinAsync(name, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", Hub);
            await WithinAsync(name, "addr", "add", $"{AddressOf(node)}/24", "dev", "eth0");
            await WithinAsync(name, "link", "set", "eth0", "up");
            await PlugAsync(port);
        }
    }

    private static async Task AddAsync(string name)
    {
        ProcessReaper.Watch(name);
        await IpAsync("netns", "add", name);
    }

    private async Task PlugAsync(string port)
    {
        await WithinAsync(Hub, "link", "set", port, "master", "br0");
        await WithinAsync(Hub, "link", "set", port, "up");
    }

    private string NameOf(int node) => $"{_name}-{node}";

    private static Task WithinAsync(string name, params string[] arguments) => IpAsync(["-n", name, .. arguments]);

    private static async Task IpAsync(params string[] arguments)
    {
        var result = await ProcessHost.RunAsync("ip", arguments, SystemPath.Environment);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"This test makes network namespaces, as root. \"ip {string.Join(' ', arguments)}\" says: {result.Output}");
    }
}
