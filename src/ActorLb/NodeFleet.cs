using System.Collections.Immutable;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Cluster;
using ActorLb.Cluster.Etcd;
using ActorLb.Cluster.Transport;
using ActorLb.Configuration;
using ActorLb.Fleet;
using ActorLb.Proxying;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb;

/// <summary>
/// Ties a node's pools to the fleet: brings the fleet what this node knows of the backends (connections, verdicts), and the backends
/// what the fleet knows (slots, operators' wishes, the others' connections, the majority's verdict).
/// </summary>
internal sealed partial class NodeFleet : IAsyncDisposable
{
    private const int ForgetTries = 5;

    private static readonly TimeSpan ForgetPause = TimeSpan.FromMilliseconds(100);

    /// <summary>A reload waits no longer for the store.</summary>
    private static readonly TimeSpan StorePatience = TimeSpan.FromSeconds(3);

    /// <summary>A store that answers takes a moment; one that does not is told at once after it, then rarely.</summary>
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LaterWaits = TimeSpan.FromMinutes(1);

    private readonly TimeProvider _time;
    private readonly EtcdStore _store;
    private readonly HttpPeerTransport _transport;
    private readonly BackendDirectory _directory;
    private readonly Func<IEnumerable<(string Pool, Backend Backend)>> _backends;
    private readonly CancellationTokenSource _stop = new();
    private readonly SharedTicketKeys _tickets;
    private readonly EventFeed _events;
    private Task _telling = Task.CompletedTask;

    private NodeFleet(
        EtcdStore store, HttpPeerTransport transport, FleetNode node, BackendDirectory directory, SharedTicketKeys tickets,
        Func<IEnumerable<(string, Backend)>> backends, EventFeed events, TimeProvider time)
    {
        _events = events;
        _time = time;
        _store = store;
        _transport = transport;
        _directory = directory;
        _backends = backends;
        _tickets = tickets;
        Node = node;
        Operations = new FleetOperations(node);
        node.BackendsChanged = OnBackendsChanged;
        node.CollectReports = Collect;
        node.Reported = OnReported;
    }

    public FleetNode Node { get; }

    public bool IsStarted { get; private set; }

    public FleetOperations Operations { get; }

    public PeerFaults PeerFaults => _transport.Faults;

    /// <summary>Null while the store answers, else its error.</summary>
    public string? StoreError => _store.LastError;

    public SharedTicketKeys Tickets => _tickets;

    /// <summary>Makes the node's part in the fleet; nothing is sent before <see cref="StartAsync"/>.</summary>
    /// <exception cref="IOException">The secret file cannot be read, or a certificate is not usable.</exception>
    public static async Task<NodeFleet> CreateAsync(
        ActorLbOptions options, BackendSlots slots, BackendDirectory directory, Func<IEnumerable<(string, Backend)>> backends,
        EventFeed events, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellation)
    {
        try
        {
            return await MakeAsync(options, slots, directory, backends, events, time, loggers, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidOperationException or System.Security.Cryptography.CryptographicException)
        {
            throw new IOException($"cluster: {e.Message}", e);
        }
    }

    private static async Task<NodeFleet> MakeAsync(
        ActorLbOptions options, BackendSlots slots, BackendDirectory directory, Func<IEnumerable<(string, Backend)>> backends,
        EventFeed events, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellation)
    {
        ClusterOptions cluster = options.Cluster;
        byte[]? secret = cluster.SecretFile is { } file
            ? Encoding.UTF8.GetBytes((await FileReading.RunAsync(() => InputFile.ReadText(file), cancellation).ConfigureAwait(false)).Trim())
            : null;
        var store = new EtcdStore(cluster.Etcd, time, Random.Shared, loggers.CreateLogger<EtcdStore>());
        byte[] key = secret is not null
            ? HashKeys.FromSecret(secret, cluster.Name)
            : await WaitForKeyAsync(store, cluster.Etcd, time, loggers.CreateLogger("ActorLb.Fleet"), cancellation).ConfigureAwait(false);
        var transport = new HttpPeerTransport(cluster, HashKeys.Check(key), time, Random.Shared, loggers);
        var fleetOptions = new FleetOptions(
            cluster.Name, options.Node.Name, AdvertisedAddress(cluster), cluster.Zone, Weight: 1, cluster.Etcd.LeaseTtl, options.Sticky.Ttl,
            options.Sticky.MaxEntries, key, KeepHashKey: secret is null, IsAlone: false);
        var node = new FleetNode(fleetOptions, store, transport, slots, time, loggers);
        var tickets = new SharedTicketKeys(store, secret, time, loggers.CreateLogger("ActorLb.Fleet"));
        return new NodeFleet(store, transport, node, directory, tickets, backends, events, time);
    }

    /// <summary>Without a shared secret the key of the client ids comes from etcd, and the start waits for it: that is told.</summary>
    private static async Task<byte[]> WaitForKeyAsync(
        EtcdStore store, EtcdOptions etcd, TimeProvider time, ILogger logger, CancellationToken cancellation)
    {
        Task<byte[]> key = HashKeys.FromStoreAsync(store, time, cancellation);
        long start = time.GetTimestamp();
        bool told = false;
        while (await Task.WhenAny(key, Task.Delay(told ? LaterWaits : FirstWait, time, cancellation)).ConfigureAwait(false) != key)
        {
            cancellation.ThrowIfCancellationRequested();
            Log.WaitingForEtcd(
                logger, string.Join(", ", etcd.Endpoints.Select(e => e.GetLeftPart(UriPartial.Authority))), store.LastError ?? "no answer yet");
            told = true;
        }
        byte[] result = await key.ConfigureAwait(false);
        if (told) Log.EtcdAnswers(logger, time.GetElapsedTime(start).TotalSeconds);
        return result;
    }

    /// <exception cref="IOException">The peers' address cannot be bound.</exception>
    public async Task StartAsync(CancellationToken cancellation)
    {
        IsStarted = true;
        await Node.StartAsync(Wanted(), cancellation).ConfigureAwait(false);
        _telling = TellAsync();
        _tickets.Start();
    }

    /// <summary>The pools have other backends than before.</summary>
    public void BackendsMayHaveChanged()
    {
        Node.SetBackends(Wanted());
        OnBackendsChanged(Node.Backends);
    }

    /// <summary>Marks a backend as removed: its generation is not valid again, should it come back. A node whose file still names it
    /// takes it back at once, until its own reload.</summary>
    /// <returns>Null when done, else why not.</returns>
    public async Task<string?> ForgetAsync(string pool, string id)
    {
        string? reason = null;
        for (int tries = 0; tries < ForgetTries; tries++)
        {
            try
            {
                reason = await Operations.SetStateAsync(pool, id, SlotState.Free).WaitAsync(StorePatience, _time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return $"the cluster store has not answered within {StorePatience.TotalSeconds} s";
            }
            if (reason is null || StoreError is not null) break;
            // Another node wrote at the same time.
            await Task.Delay(ForgetPause, _time).ConfigureAwait(false);
        }
        return reason;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _telling.ConfigureAwait(false);
        await _tickets.DisposeAsync().ConfigureAwait(false);
        await Node.DisposeAsync().ConfigureAwait(false);
        await _transport.DisposeAsync().ConfigureAwait(false);
        await _store.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>What peers dial: as configured, else the bound address, or the host name when that is every address.</summary>
    private static string AdvertisedAddress(ClusterOptions cluster)
    {
        if (cluster.Advertise is { } advertised) return $"{advertised.Host}:{advertised.Port}";
        bool every = cluster.Bind.Address.Equals(System.Net.IPAddress.Any) || cluster.Bind.Address.Equals(System.Net.IPAddress.IPv6Any);
        return every ? $"{System.Net.Dns.GetHostName()}:{cluster.Bind.Port}" : cluster.Bind.ToString();
    }

    private IEnumerable<WantedBackend> Wanted() => _backends().Select(b => new WantedBackend(b.Pool, b.Backend.Id, b.Backend.Id)).ToArray();

    /// <summary>On the fleet's loop.</summary>
    private void OnBackendsChanged(ImmutableArray<FleetBackend> known)
    {
        var byName = known.ToDictionary(b => (b.Pool, b.Id));
        (string Pool, Backend Backend)[] own = [.. _backends()];
        foreach ((string pool, Backend backend) in own)
        {
            if (!byName.TryGetValue((pool, backend.Id), out FleetBackend? told)) continue;
            backend.Reference = told.State == SlotState.Free ? 0 : told.Reference.Value;
            // What the file takes out stays out; operators can only take out more.
            AdminState wished = told.State switch { SlotState.Drain => AdminState.Drain, SlotState.Down => AdminState.Down, _ => AdminState.Up };
            backend.SetAdminState(backend.Options.Down ? AdminState.Down : wished, told.DrainLeft);
            backend.SetWeight(told.Weight ?? backend.Options.Weight);
        }
        _directory.Set(own.Select(b => b.Backend));
    }

    /// <summary>The fleet's events among the node's own.</summary>
    private async Task TellAsync()
    {
        try
        {
            await foreach (ClusterEvent told in Node.Events.FollowAsync(_stop.Token).ConfigureAwait(false))
            {
                _events.Publish(EventFeed.Word(told.Kind.ToString()), told.Text);
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
    }

    /// <summary>On the fleet's loop.</summary>
    private IEnumerable<BackendReport> Collect() => _backends().Select(b => b.Backend).Where(b => b.Reference != 0)
        .Select(b => new BackendReport(BackendDirectory.ReferenceOf(b), b.Active, b.Health == HealthState.Down));

    /// <summary>On the fleet's loop.</summary>
    private void OnReported(FleetReport fleet)
    {
        foreach ((_, Backend backend) in _backends())
        {
            if (backend.Reference == 0) continue;
            backend.SetRemoteActive(fleet.ConnectionsOf(backend.Reference), fleet.LiveNodes - 1);
            backend.SetFleetHealth(!fleet.Down.Contains(backend.Reference));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2207, LogLevel.Warning, "the start waits for etcd at {Endpoints}: {Reason}")]
        public static partial void WaitingForEtcd(ILogger logger, string endpoints, string reason);

        [LoggerMessage(2208, LogLevel.Information, "etcd answers after {Seconds:0.0} s: the start goes on")]
        public static partial void EtcdAnswers(ILogger logger, double seconds);
    }
}
