using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;

namespace ActorLb.Discovery;

/// <summary>Turns the answer to a pool's DNS query into backends.</summary>
internal static class DnsDiscovery
{
    /// <exception cref="IOException">There is no SRV record, or no server answered.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The name has no address.</exception>
    public static async Task<ImmutableArray<BackendOptions>> FindAsync(
        DnsDiscoveryOptions options, NameResolution names, CancellationToken cancel)
    {
        if (options.Srv)
        {
            return OfRecords(options.Template, await names.Srv(options.Name, cancel).ConfigureAwait(false));
        }

        var addresses = await names.Host(options.Name, cancel).ConfigureAwait(false);
        return
        [
            .. NameResolution.Preferred(addresses)
                .Select(a => options.Template with { Address = new DnsEndPoint(a.ToString(), options.Port) }),
        ];
    }

    /// <summary>
    /// As in NGINX: records of the lowest priority are primaries, the others backups; weight 0 counts as 1. Sorted, so that every
    /// node lists them in the same order.
    /// </summary>
    internal static ImmutableArray<BackendOptions> OfRecords(BackendOptions template, IReadOnlyList<SrvRecord> records)
    {
        int lowest = records.Count == 0 ? 0 : records.Min(r => r.Priority);
        return
        [
            .. records
                .OrderBy(r => r.Priority).ThenBy(r => r.Target, StringComparer.Ordinal).ThenBy(r => r.Port)
                .Select(r => template with
                {
                    Address = new DnsEndPoint(r.Target, r.Port),
                    Weight = Math.Max(1, (int)r.Weight),
                    Backup = template.Backup || r.Priority > lowest,
                }),
        ];
    }
}
