using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Tls;

/// <summary>The TLS contexts of a configuration, by listener and by pool. Built as a whole or not at all.</summary>
internal sealed class TlsContexts
{
    private readonly Dictionary<string, TlsServerContext> _servers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TlsClientContext> _clients = new(StringComparer.Ordinal);

    private TlsContexts()
    {
    }

    public int Count => _servers.Count + _clients.Count;

    /// <summary>Null where the listener has no TLS, or its context was not wanted.</summary>
    public TlsServerContext? Server(string listener) => _servers.GetValueOrDefault(listener);

    /// <summary>Null where the pool has no TLS, or its context was not wanted.</summary>
    public TlsClientContext? Client(string pool) => _clients.GetValueOrDefault(pool);

    /// <param name="known">The listener's ticket keys, so that tickets stay good.</param>
    /// <param name="changed">Only what reads one of these files; null builds all.</param>
    /// <exception cref="TlsConfigurationException">Names the listener or pool, the file and the reason; nothing was built.</exception>
    public static TlsContexts Build(
        ActorLbOptions options, Func<string, TicketKeyRing?> known, TimeProvider time, IReadOnlySet<string>? changed = null)
    {
        var contexts = new TlsContexts();
        var problems = new List<TlsProblem>();
        foreach (var listener in options.Listeners.Values)
        {
            if (listener.Tls is not { } tls || !Reads(TlsFiles.Of(tls), changed)) continue;
            try
            {
                contexts._servers[listener.Name] = TlsServerContext.Build(
                    tls, listener.WebSocket is not null, time, known(listener.Name), passesAnything: listener.Protocol == ListenerProtocol.Tcp);
            }
            catch (TlsConfigurationException e)
            {
                problems.AddRange(e.Problems.Select(p => p with { Owner = $"listener {listener.Name}" }));
            }
        }
        foreach (var pool in options.Pools.Values)
        {
            if (pool.Tls is not { } tls || !Reads(TlsFiles.Of(tls), changed)) continue;
            try
            {
                contexts._clients[pool.Name] = TlsClientContext.Build(tls);
            }
            catch (TlsConfigurationException e)
            {
                problems.AddRange(e.Problems.Select(p => p with { Owner = $"pool {pool.Name}" }));
            }
        }
        if (problems.Count == 0) return contexts;
        contexts.Discard();
        throw new TlsConfigurationException([.. problems]);
    }

    /// <summary>Frees contexts that were never put into force.</summary>
    public void Discard()
    {
        foreach (var context in _servers.Values) context.Dispose();
        foreach (var context in _clients.Values) context.Dispose();
    }

    private static bool Reads(IEnumerable<string> files, IReadOnlySet<string>? changed) => changed is null || files.Any(changed.Contains);
}

/// <summary>The files that TLS settings name.</summary>
internal static class TlsFiles
{
    /// <summary>Every file, once.</summary>
    public static IEnumerable<string> Of(ActorLbOptions options) =>
        options.Listeners.Values.Where(l => l.Tls is not null).SelectMany(l => Of(l.Tls!))
            .Concat(options.Pools.Values.Where(p => p.Tls is not null).SelectMany(p => Of(p.Tls!)))
            .Distinct(StringComparer.Ordinal);

    public static IEnumerable<string> Of(ListenerTlsOptions tls) =>
        tls.Certificates.SelectMany(c => (string[])[c.Certificate, c.Key])
            .Concat(new[] { tls.ClientCa, tls.CrlFile, tls.TicketKeyFile }.OfType<string>());

    public static IEnumerable<string> Of(UpstreamTlsOptions tls) => new[] { tls.Ca, tls.Certificate, tls.Key }.OfType<string>();
}
