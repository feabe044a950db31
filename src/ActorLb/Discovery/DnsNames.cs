using System.Net;
using System.Net.Sockets;
using ActorLb.Protocol.Failures;
using DnsClient;
using DnsClient.Protocol;
using DnsSrvRecord = DnsClient.Protocol.SrvRecord;

namespace ActorLb.Discovery;

/// <summary>Where a service runs, RFC 2782.</summary>
/// <param name="Priority">Lower is preferred; the lowest are a pool's primaries.</param>
internal readonly record struct SrvRecord(ushort Priority, ushort Weight, ushort Port, string Target);

/// <summary>
/// Queries DNS for the records of a name, with the servers and search domains of the settings: over UDP, over TCP when truncated, each
/// server twice. Unlike the system's resolver it can be cancelled, and has a time limit.
/// </summary>
internal sealed class DnsNames(Func<ResolverSettings> settings)
{
    private const int Rounds = 2;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    /// <exception cref="IOException">No server answered, or the name has no record; the message says which.</exception>
    public async Task<IReadOnlyList<SrvRecord>> ServicesAsync(string name, CancellationToken cancel)
    {
        var records = await FindAsync(name, [QueryType.SRV], IsService, cancel).ConfigureAwait(false);
        SrvRecord[] found =
            [.. records.Cast<DnsSrvRecord>().Select(r => new SrvRecord(r.Priority, r.Weight, r.Port, r.Target.Value.TrimEnd('.')))];
        return found.Length > 0 ? found : throw new IOException($"{name} has no SRV record");
    }

    /// <returns>Its IPv4 addresses, or its IPv6 ones if it has no others; none when the name does not exist.</returns>
    /// <exception cref="IOException">No server answered.</exception>
    public async Task<IPAddress[]> AddressesAsync(string name, CancellationToken cancel)
    {
        var records =
            await FindAsync(name, [QueryType.A, QueryType.AAAA], static r => r is AddressRecord, cancel).ConfigureAwait(false);
        return [.. records.Cast<AddressRecord>().Select(r => r.Address)];
    }

    /// <summary>A target of "." means that the service is decidedly not available (RFC 2782); port 0 cannot be dialled.</summary>
    private static bool IsService(DnsResourceRecord record) => record is DnsSrvRecord { Port: not 0 } srv && srv.Target.Value.Trim('.').Length > 0;

    /// <summary>The records of the first completion of the name, and of the first type, that has any.</summary>
    private async Task<IEnumerable<DnsResourceRecord>> FindAsync(
        string name, QueryType[] types, Func<DnsResourceRecord, bool> isWanted, CancellationToken cancel)
    {
        var current = settings();
        var client = new LookupClient(new LookupClientOptions([.. current.Servers])
        {
            AutoResolveNameServers = false,
            UseCache = false,
            UseRandomNameServer = false,
            ThrowDnsErrors = false,
            Timeout = AnswerTimeout,
            Retries = Rounds - 1,
            UseTcpFallback = true,
        });
        foreach (string candidate in current.Candidates(name))
        {
            foreach (var type in types)
            {
                var response = await AskAsync(client, candidate, type, cancel).ConfigureAwait(false);
                DnsResourceRecord[] found = [.. response.Answers.Where(isWanted)];
                if (found.Length > 0) return found;
                if (response.Header.ResponseCode == DnsHeaderResponseCode.NotExistentDomain) break;
            }
        }
        return [];
    }

    private static async Task<IDnsQueryResponse> AskAsync(LookupClient client, string name, QueryType type, CancellationToken cancel)
    {
        string problem;
        try
        {
            // The library drops empty labels, and would query for another name.
            if (name.StartsWith('.') || name.Contains("..", StringComparison.Ordinal)) throw new ArgumentException("an empty label", nameof(name));
            problem = "sent a different answer";
            for (int round = 0; round < Rounds; round++)
            {
                var response = await client.QueryAsync(name, type, cancellationToken: cancel).ConfigureAwait(false);
                // The library only compares the identifier, which is short enough to guess.
                if (!IsAnswerTo(response, name, type)) continue;
                if (response.Header.ResponseCode is DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain) return response;
                problem = $"{response.NameServer}: refused or failed ({response.Header.ResponseCode})";
                break;
            }
        }
        catch (DnsResponseException e)
        {
            problem = e.InnerException is { } inner ? FailureText.Describe(inner) : e.DnsError;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            problem = FailureText.Describe(e);
        }
        catch (ArgumentException)
        {
            problem = "it is not a valid DNS name (RFC 1035, section 2.3.4): a label has 1 to 63 bytes, a name at most 255";
        }
        cancel.ThrowIfCancellationRequested();
        throw new IOException($"{type} records of {name} cannot be resolved: {problem}");
    }

    private static bool IsAnswerTo(IDnsQueryResponse response, string name, QueryType type) => response.Questions is [var question]
        && question.QuestionType == type && string.Equals(question.QueryName.Value.TrimEnd('.'), DnsString.Parse(name).Value.TrimEnd('.'), StringComparison.OrdinalIgnoreCase);
}
