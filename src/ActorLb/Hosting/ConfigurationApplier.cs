using System.Collections.Immutable;
using System.Net;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Configuration.Checks;
using ActorLb.Configuration.Effective;
using ActorLb.Native.OpenSsl;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Telemetry;
using ActorLb.Tls;

namespace ActorLb.Hosting;

/// <summary>
/// Puts configurations into force, whole or not at all; also backends that operators add, and renewed certificates. Changes come from the
/// program that runs the node, from operators and from the watch of certificates: one at a time goes through.
/// </summary>
internal sealed class ConfigurationApplier : IDisposable
{
    private readonly NodeParts _parts;
    private readonly Func<ActorLbOptions, ActorLbOptions> _withAdded;
    private readonly SemaphoreSlim _applying = new(1, 1);

    // Replaced whole; the pools' actors read it.
    private volatile ImmutableDictionary<IPEndPoint, string> _bound = ImmutableDictionary<IPEndPoint, string>.Empty;

    /// <param name="withAdded">A configuration with the backends that operators have added to it.</param>
    public ConfigurationApplier(NodeParts parts, ActorLbOptions options, Func<ActorLbOptions, ActorLbOptions> withAdded)
    {
        _parts = parts;
        _withAdded = withAdded;
        Options = options;
        Fingerprint = ConfigurationFingerprint.Of(options);
        Capacity = CapacityOf(options, options, parts.Reactors.Count);
        Watch = new CertificateWatch(parts.Time, parts.Logger, RenewCertificatesAsync, () => parts.Certificates.All);
    }

    /// <summary>In force, as the file has them.</summary>
    public ActorLbOptions Options { get; private set; }

    /// <summary>In force, with what operators have added.</summary>
    public ActorLbOptions RunningOptions => _withAdded(Options);

    /// <summary>Of <see cref="Options"/>.</summary>
    public ConfigurationFingerprint Fingerprint { get; private set; }

    /// <summary>Client connections that the node takes: the configured number, or what the limit of open files allows.</summary>
    public int Capacity { get; private set; }

    public CertificateWatch Watch { get; }

    /// <summary>What the access logs could not write since the start.</summary>
    public AccessLogCounters AccessLogCounters { get; } = new();

    /// <param name="running">The same configuration with what operators have added.</param>
    public static int CapacityOf(ActorLbOptions options, ActorLbOptions running, int reactors) => OpenFiles.Fit(
        options.Node.MaxConnections, options.Listeners.Count, reactors, OpenFiles.Limit,
        running.Pools.Values.Sum(p => p.Health.Probe == ProbeKind.None ? 0 : p.Backends.Length));

    /// <param name="cancel">Gives up while files are still being read: nothing is in force then.</param>
    /// <exception cref="IOException">A listener cannot be opened, or the access log: nothing has changed.</exception>
    /// <exception cref="TlsConfigurationException">A certificate, key or cipher list is not usable: nothing has changed.</exception>
    public Task ApplyAsync(ActorLbOptions options, CancellationToken cancel) => ExclusivelyAsync(
        async () =>
        {
            // Taken before the files are read: a change in between is found by the next look.
            var stamps =
                await FileReading.RunAsync(() => FileStamps.Take(TlsFiles.Of(options)), cancel).ConfigureAwait(false);
            await ApplyCoreAsync(options, cancel).ConfigureAwait(false);
            Watch.Watch(stamps);
        },
        cancel);

    /// <summary>Brings the pools in line with what operators have added or taken back since.</summary>
    public async Task ApplyAddedAsync(CancellationToken cancel)
    {
        IReadOnlyList<(string Pool, string Id)> gone = [];
        await ExclusivelyAsync(
            async () => gone = await _parts.Pools.ApplyBackendsAsync(RunningOptions, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);
        await ForgetAsync(gone).ConfigureAwait(false);
    }

    /// <summary>Has the fleet forget backends that are gone for good.</summary>
    public Task ForgetAsync(IEnumerable<(string Pool, string Id)> gone) =>
        _parts.Fleet is { } fleet ? Task.WhenAll(gone.Select(g => fleet.ForgetAsync(g.Pool, g.Id))) : Task.CompletedTask;

    /// <summary>Runs a change while no other is under way.</summary>
    public async Task ExclusivelyAsync(Func<Task> change, CancellationToken cancel = default)
    {
        await _applying.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            await change().ConfigureAwait(false);
        }
        finally
        {
            _applying.Release();
        }
    }

    /// <summary>Of the configuration in force.</summary>
    public TcpOptions TcpOf(ListenerOptions listener) => Options.Pools[listener.Pool].Tcp;

    /// <summary>What of this node takes connections at a backend's address; null when nothing does.</summary>
    public string? OwnAddress(DnsEndPoint backend)
    {
        var bound = _bound;
        return OwnListenerChecks.Own(backend, Options.Cluster.Seeds.IsEmpty ? bound : bound.SetItem(Options.Cluster.Bind, "the address of its fleet"));
    }

    public void Dispose() => _applying.Dispose();

    private Task RenewCertificatesAsync(ImmutableHashSet<string> changed) => ExclusivelyAsync(async () =>
    {
        var contexts = await _parts.Certificates.ReadAsync(Options, CancellationToken.None, changed).ConfigureAwait(false);
        await _parts.Certificates.RenewAsync(contexts).ConfigureAwait(false);
    });

    private async Task ApplyCoreAsync(ActorLbOptions options, CancellationToken cancel)
    {
        (var contexts, var newLog, var opened) = await PrepareAsync(options, cancel).ConfigureAwait(false);
        // Before the pools ask for their names: one that leads here is no backend's.
        _bound = BoundOf(options, opened);
        var oldLog = _parts.Services.AccessLog;
        if (newLog is not null || options.Log.Access is null) _parts.Services.AccessLog = newLog;
        var running = _withAdded(options);
        ApplySettings(options, running);
        int bufferSize = options.Pools.Values.Select(p => p.BufferSize).DefaultIfEmpty(0).Max();
        foreach (var reactor in _parts.Reactors) await reactor.AskAsync(r => { r.EnsureScratch(bufferSize); return true; }).ConfigureAwait(false);

        var gone =
            await _parts.Pools.ApplyAsync(running, contexts, at => OwnListenerChecks.Own(at, _bound)).ConfigureAwait(false);
        if (_parts.Fleet is { IsStarted: false } fleet) await fleet.StartAsync(cancel).ConfigureAwait(false);
        _parts.UpdateSlots();
        await _parts.Legacy.RestoreAsync(_parts.Operations).ConfigureAwait(false);
        await ApplyListenersAsync(options, contexts, opened).ConfigureAwait(false);
        foreach (var pool in gone) await pool.Control.DisposeAsync().ConfigureAwait(false);
        if (oldLog is not null && !ReferenceEquals(oldLog, _parts.Services.AccessLog)) await oldLog.DisposeAsync().ConfigureAwait(false);
        Options = options;
        Fingerprint = ConfigurationFingerprint.Of(options);
        _parts.Fleet?.Member.Spread.SetConfiguration(options.Node.Name, Fingerprint);
        _parts.Certificates.LogWarnings(contexts);
    }

    /// <summary>All that can fail: nothing is in force until all of it is there.</summary>
    private async Task<(TlsContexts Contexts, AccessLog? Log, ListenerSet.Opened Opened)> PrepareAsync(ActorLbOptions options, CancellationToken cancel)
    {
        if (DataPlaneChecks.Problem(_parts.DataPlane, options) is { } problem) throw new IOException(problem);
        var contexts = await _parts.Certificates.ReadAsync(options, cancel).ConfigureAwait(false);
        AccessLog? log = null;
        try
        {
            if (options.Log.Access is { } path && _parts.Services.AccessLog?.Path != path)
            {
                log = await AccessLog.OpenAsync(path, options.Log.Format, _parts.Time, AccessLogCounters, _parts.Services.Logger).ConfigureAwait(false);
            }
            return (contexts, log, _parts.Listeners.Open(options.Listeners.Values, TcpOf(options)));
        }
        catch
        {
            contexts.Discard();
            if (log is not null) await log.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static Func<ListenerOptions, TcpOptions> TcpOf(ActorLbOptions options) => listener => options.Pools[listener.Pool].Tcp;

    private void ApplySettings(ActorLbOptions options, ActorLbOptions running)
    {
        var services = _parts.Services;
        services.Announced.IsOn = options.Listeners.Values.Any(l => l.AcceptProxyFrom.Length > 0) && options.Pools.Values.Any(p => p.ProxyProtocol != ProxyProtocolVersion.Off);
        services.Handshakes.Max = MaxHandshakes(options);
        services.Damping = TakeoverDamping.Create(options.Sticky.Damping, services.Damping);
        services.SuppressWill = options.Node.Will == WillOnDrain.Suppress;
        services.ServerReferenceUtf8 = Encoding.UTF8.GetBytes(options.Node.ServerReference ?? "");
        Capacity = CapacityOf(options, running, _parts.Reactors.Count);
        services.Admission.MaxConnections = Capacity;
        services.SetupBudget.Limit =
            options.Node.SetupMemory == 0 ? SetupBudget.Auto(_parts.Memory.Read().Total, Capacity) : options.Node.SetupMemory;
    }

    private static int MaxHandshakes(ActorLbOptions options) =>
        options.Listeners.Values.Select(l => l.Tls?.MaxHandshakes ?? 0).DefaultIfEmpty(0).Max() is > 0 and var most ? most : 256;

    private async Task ApplyListenersAsync(ActorLbOptions options, TlsContexts contexts, ListenerSet.Opened opened)
    {
        var listeners = _parts.Listeners;
        var wanted = new List<(ListenerOptions, Listener)>();
        foreach (var listener in options.Listeners.Values)
        {
            var pool = _parts.Pools.Running[listener.Pool].Upstream;
            var tls = contexts.Server(listener.Name);
            var known = listeners.Find(listener.Name);
            if (known is null) known = new Listener(listener, pool, tls, _parts.Time) { Paused = listeners.StartsPaused(listener.Name) };
            else known.Apply(listener, pool, tls, _parts.Time);
            wanted.Add((listener, known));
        }
        if (_parts.Fleet is { } fleet) CertificateInventory.ShareTicketKeys(fleet.Member.Spread.Tickets.Current, wanted.Select(w => w.Item2.Current));
        await listeners.ApplyAsync(wanted, opened, TcpOf(options)).ConfigureAwait(false);
    }

    /// <summary>The addresses of the listeners and of the admin endpoint, with what to call them.</summary>
    private ImmutableDictionary<IPEndPoint, string> BoundOf(ActorLbOptions options, ListenerSet.Opened opened)
    {
        var bound = ImmutableDictionary.CreateBuilder<IPEndPoint, string>();
        bound[options.Admin.Bind] = "the admin endpoint";
        foreach (var listener in options.Listeners.Values)
        {
            var at = opened.BoundTo(listener.Name) ?? _parts.Listeners.Find(listener.Name)?.BoundTo ?? listener.Bind;
            if (at.Port != 0) bound[at] = $"listener {listener.Name}";
        }
        return bound.ToImmutable();
    }
}
