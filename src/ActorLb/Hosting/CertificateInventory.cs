using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>The certificates in force and what replaces them: the TLS contexts of listeners and pools.</summary>
internal sealed partial class CertificateInventory(ListenerSet listeners, NodePools pools, TimeProvider time, ILogger logger)
{
    /// <summary>The certificates, authorities and revocation lists in force.</summary>
    public IEnumerable<CertificateUse> All
    {
        get
        {
            foreach (var listener in listeners.All)
            {
                foreach (var certificate in listener.Current.Tls?.Dated ?? [])
                {
                    yield return new CertificateUse("listener", listener.Name, certificate);
                }
            }
            foreach (var pool in pools.Upstreams)
            {
                foreach (var certificate in pool.Tls?.Dated ?? []) yield return new CertificateUse("pool", pool.Name, certificate);
            }
        }
    }

    /// <summary>Reads the files of a configuration: none of it is in force yet.</summary>
    /// <param name="changed">Only contexts of these files; null is all.</param>
    /// <exception cref="TlsConfigurationException">A certificate, key or cipher list is not usable.</exception>
    public Task<TlsContexts> ReadAsync(ActorLbOptions options, CancellationToken cancel, ImmutableHashSet<string>? changed = null) =>
        FileReading.RunAsync(() => TlsContexts.Build(options, TicketKeysOf, time, changed), discard: late => late.Discard(), cancel: cancel);

    /// <summary>Puts changed contexts into force: new connections get them, established ones keep what they agreed on.</summary>
    public async Task RenewAsync(TlsContexts contexts)
    {
        await pools.RenewAsync(contexts).ConfigureAwait(false);
        foreach (var listener in listeners.All)
        {
            var current = listener.Current;
            var tls = contexts.Server(listener.Name) ?? current.Tls;
            listener.Apply(current.Options, pools.Running[current.Options.Pool].Upstream, tls, time);
        }
        LogWarnings(contexts);
    }

    /// <summary>Gives the fleet's ticket keys to every listener that has no file of its own.</summary>
    public static void ShareTicketKeys(ImmutableArray<TicketKey> keys, IEnumerable<Listener.State> listeners)
    {
        if (keys.IsEmpty) return;
        foreach (var listener in listeners)
        {
            if (listener.Options.Tls is { SessionTickets: true, TicketKeyFile: null }) listener.Tls?.SetTicketKeys(keys);
        }
    }

    public void LogWarnings(TlsContexts contexts)
    {
        foreach (var listener in listeners.All)
        {
            foreach (var warning in contexts.Server(listener.Name)?.Warnings ?? []) Log.Tls(logger, "listener", listener.Name, warning);
        }
        foreach (var pool in pools.Upstreams)
        {
            foreach (var warning in contexts.Client(pool.Name)?.Warnings ?? []) Log.Tls(logger, "pool", pool.Name, warning);
        }
    }

    /// <summary>Keys of a file are read from it again; those of a file that is named no longer must not stay in use.</summary>
    private TicketKeyRing? TicketKeysOf(string listener) =>
        listeners.Find(listener)?.Current is { Options.Tls.TicketKeyFile: null, Tls: { } tls } ? tls.TicketKeys : null;

    private static partial class Log
    {
        [LoggerMessage(2205, LogLevel.Warning, "{Owner} {Name}: {Warning}")]
        public static partial void Tls(ILogger logger, string owner, string name, TlsProblem warning);
    }
}
