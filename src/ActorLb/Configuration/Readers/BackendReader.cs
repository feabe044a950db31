using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>backends</c> of a pool: an array of them, or an object that says how to find them.</summary>
internal static class BackendReader
{
    private static readonly DnsEndPoint NoAddress = new("localhost", 1);

    public static (ImmutableArray<BackendOptions> Backends, DiscoveryOptions? Discovery) Read(Section pool)
    {
        var value = pool.Get("backends");
        if (AsDiscovery(value) is { } discovery)
        {
            var section = new Section(discovery, pool.PathOf("backends"), pool.Report);
            if (!section.Has("emqx")) return ([], ReadDns(section));
            if (section.Get("dns") is { } dns) section.Error("dns", dns, "is set together with emqx: backends are found either by DNS or by EMQX's API");
            return ([], EmqxReader.Read(section));
        }
        if (value is null)
        {
            pool.Missing("backends");
            return ([], null);
        }
        var elements = pool.Elements("backends")!;
        if (elements.Count == 0 && value is not HoconObject && !pool.Report.Incomplete) pool.Error("backends", value, "is empty: a pool needs a backend");
        var result = ImmutableArray.CreateBuilder<BackendOptions>();
        var seen = new HashSet<DnsEndPoint>();
        foreach ((string path, var element) in elements)
        {
            var backend = ReadElement(element, path, pool.Report);
            if (backend is null) continue;
            if (!seen.Add(backend.Address))
            {
                pool.Report.Error(element.Position, path, AddressText.Format(backend.Address), "is listed twice in the pool");
            }
            result.Add(backend);
        }
        return (result.ToImmutable(), null);
    }

    /// <summary>The object that says how the backends are found; null when they are listed.</summary>
    public static HoconObject? AsDiscovery(HoconValue? backends) =>
        backends is HoconObject fields && (fields.Find("dns") is not null || fields.Find("emqx") is not null) ? fields : null;

    private static BackendOptions? ReadElement(HoconValue element, string path, ConfigurationReport report)
    {
        switch (element)
        {
            case HoconObject fields when fields.Find("dns") is not null:
                report.Error(element.Position, path, null, "mixes backends and dns: for discovery by DNS write only backends = { dns = ... }");
                return null;
            case HoconObject fields when fields.Find("emqx") is not null:
                report.Error(element.Position, path, null, "mixes backends and emqx: for discovery by EMQX's API write only backends = { emqx = { ... } }");
                return null;
            case HoconObject fields:
                var section = new Section(fields, path, report);
                if (!section.Has("address")) section.Missing("address");
                return ReadBackend(section, section.Host("address"));
            case HoconScalar scalar when AddressText.TryHost(scalar.Text, out var address, out _):
                return Defaults(address);
            case HoconScalar scalar:
                _ = AddressText.TryHost(scalar.Text, out _, out string problem);
                report.Error(scalar, path, problem);
                return null;
            default:
                report.Error(element, path, $"is {element.Kind}, but {{ address = \"host:port\" ... }} is expected");
                return null;
        }
    }

    private static BackendOptions? ReadBackend(Section section, DnsEndPoint? address)
    {
        var result = ReadSettings(section, address ?? NoAddress) with
        {
            Down = section.Flag("down", absent: false),
            Backup = section.Flag("backup", absent: false),
        };
        section.Close();
        return address is null ? null : result;
    }

    /// <summary>Settings of a backend besides its address.</summary>
    public static BackendOptions ReadSettings(Section section, DnsEndPoint address)
    {
        var absent = Defaults(address);
        return absent with
        {
            Weight = section.Integer("weight", absent.Weight, 1, 65535),
            MaxFails = section.Integer("max-fails", absent.MaxFails, 0, 1_000_000),
            FailTimeout = section.Duration(
                "fail-timeout", absent.FailTimeout, ConfigurationDefaults.Instant, TimeSpan.FromDays(1)),
            MaxConnections = section.Integer("max-connections", absent.MaxConnections, 0, 10_000_000),
            SlowStart = section.Duration("slow-start", absent.SlowStart, TimeSpan.Zero, TimeSpan.FromDays(1), offIsZero: true),
        };
    }

    /// <summary>NGINX's defaults: weight 1, one failure in 10 s takes a backend out.</summary>
    public static BackendOptions Defaults(DnsEndPoint address) =>
        new(address, Weight: 1, MaxFails: 1, TimeSpan.FromSeconds(10), MaxConnections: 0, SlowStart: TimeSpan.Zero, Down: false, Backup: false);

    private static DnsDiscoveryOptions ReadDns(Section section)
    {
        string name = section.Text("dns", "localhost");
        if (section.Has("dns") && !AddressText.IsHost(name)) section.Error("dns", section.Get("dns")!, "is not a host name");
        int port = section.Integer("port", absent: 1883, min: 1, max: 65535);
        var result = new DnsDiscoveryOptions(
            name, port,
            section.Flag("srv", absent: false),
            section.Duration("interval", TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
            ReadSettings(section, new DnsEndPoint(name, port)));
        section.Close();
        return result;
    }
}
