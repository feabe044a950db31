using System.Net;

namespace ActorLb.Configuration.Import;

/// <summary>The other balancer's status page: its port becomes the admin endpoint's, on loopback unless clients are
/// authenticated.</summary>
internal static class AdminAddress
{
    /// <param name="address">As written: a port, or an address with one.</param>
    /// <param name="what">What is available there now.</param>
    public static void Set(Target target, Directive from, string address, string what)
    {
        if (target.Admin.Has("bind"))
        {
            from.Report("the admin endpoint has one address: this one is left out");
            return;
        }
        int colon = address.LastIndexOf(':');
        string host = colon < 0 ? "" : address[..colon].Trim('[', ']');
        if (Units.Number(address[(colon + 1)..]) is not (> 0 and <= 65535 and var port))
        {
            from.Report("no port: set admin.bind by hand");
            return;
        }
        bool loopback = IPAddress.TryParse(host, out var ip) ? IPAddress.IsLoopback(ip) : host == "localhost";
        string bind = loopback ? AddressText.Format(new DnsEndPoint(host, port)) : $"127.0.0.1:{port}";
        // Written even if it is the default, to show where the page is.
        target.Admin.Set("bind", Units.Quote(bind), null, from, what);
        from.Carry();
        if (!loopback) from.Report($"it was open to all; {bind} is written, since for remote access the endpoint needs authentication: set admin.bind with token-file, or with tls and a ca");
    }

    /// <summary>Moves the endpoint to another port if a listener has its port.</summary>
    public static void Clear(Target target)
    {
        string own = target.Admin.Value("bind") ?? $"\"{ConfigurationDefaults.Admin}\"";
        if (Port(own) is not { } port) return;
        var taken = target.Binds.Select(Port).OfType<int>().ToHashSet();
        if (!taken.Contains(port)) return;
        int free = Enumerable.Range(port, 1000).FirstOrDefault(p => !taken.Contains(p) && p <= 65535, 0);
        target.Admin.Set("bind", free == 0 ? "\"127.0.0.1:0\"" : own.Replace($":{port}\"", $":{free}\"", StringComparison.Ordinal), null, null, $"a listener has {port}");
    }

    private static int? Port(string bind) => Units.Number(bind[(bind.LastIndexOf(':') + 1)..].TrimEnd('"'));
}
