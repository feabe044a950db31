using System.Collections.Immutable;
using System.Globalization;
using System.Net;

namespace ActorLb.Discovery;

/// <summary>The contents of resolv.conf(5): which servers to query, and how to complete a short name.</summary>
internal sealed record ResolverSettings(ImmutableArray<IPEndPoint> Servers, ImmutableArray<string> Search, int Dots)
{
    private const int DnsPort = 53;

    /// <summary>Invalid lines are ignored, as in the C library; without a server it uses this machine.</summary>
    public static ResolverSettings Parse(string text)
    {
        List<IPEndPoint> servers = [];
        ImmutableArray<string> search = [];
        int dots = 1;
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split(['#', ';'])[0].Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case ["nameserver", var server, ..] when IPAddress.TryParse(server, out var address):
                    servers.Add(new IPEndPoint(address, DnsPort));
                    break;
                case ["search" or "domain", .. var domains]:
                    search = [.. domains.Select(d => d.Trim('.')).Where(d => d.Length > 0)];
                    break;
                case ["options", .. var options]:
                    foreach (string option in options)
                    {
                        if (option.StartsWith("ndots:", StringComparison.Ordinal)
                            && int.TryParse(option.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out int value))
                        {
                            dots = Math.Min(value, 15);
                        }
                    }

                    break;
            }
        }

        return new ResolverSettings(servers.Count > 0 ? [.. servers] : [new IPEndPoint(IPAddress.Loopback, DnsPort)], search, dots);
    }

    /// <summary>The names to query in turn: first as given if it has enough dots, otherwise with the search domains.</summary>
    public IEnumerable<string> Candidates(string name)
    {
        if (name.EndsWith('.'))
        {
            return [name];
        }

        var completed = Search.Select(d => $"{name}.{d}");
        return name.Count(c => c == '.') >= Dots ? completed.Prepend(name) : completed.Append(name);
    }
}
