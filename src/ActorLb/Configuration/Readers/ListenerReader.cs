using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>One entry of <c>listeners</c>.</summary>
internal static class ListenerReader
{
    /// <summary>In place of a template: the field is removed.</summary>
    private const string Remove = "remove";

    private static readonly IPEndPoint NoBind = new(IPAddress.Any, 0);

    public static ListenerOptions Read(string name, Section section)
    {
        if (!section.Has("bind")) section.Missing("bind");
        if (!section.Has("pool")) section.Missing("pool");
        var tls = section.OptionalChild("tls");
        var result = new ListenerOptions(
            name,
            section.Bind("bind") ?? NoBind,
            section.Text("pool", ""),
            section.Choice("protocol", ListenerProtocol.Mqtt, ConfigurationNames.Protocol),
            tls is null ? null : ListenerTlsReader.Read(tls),
            ListenerWebSocketReader.Read(section.OptionalChild("websocket")),
            ReadRewrite(section.Child("rewrite")),
            AcceptProxyFrom(section),
            section.Duration("connect-timeout", TimeSpan.FromSeconds(10), ConfigurationDefaults.Instant, TimeSpan.FromHours(1)),
            IdleTimeout(section),
            section.Integer("max-connections", absent: 0, min: 0, max: 10_000_000),
            // 256 MiB less one is the largest remaining length (MQTT 5.0 section 1.5.5), plus 5 bytes of fixed header.
            (int)section.Size("max-packet-size", absent: 1 << 20, min: 64, max: 268_435_460),
            ReadLimits(section.Child("limits")),
            section.Networks("allow"),
            section.Networks("deny"),
            section.Template("require-client-id"),
            section.Integer("backlog", absent: 4096, min: 1, max: 1_000_000));
        section.Close();
        return result;
    }

    /// <summary>A path of an HTTP request line: no space, no control character, ASCII (RFC 9112 section 3.2.1).</summary>
    public static string RequestPath(Section section, string key, string absent)
    {
        var scalar = section.Scalar(key, "a path such as /mqtt");
        if (scalar is null) return absent;
        if (scalar.Text.StartsWith('/') && scalar.Text.All(c => c is > ' ' and < '\u007f' and not '#')) return scalar.Text;
        section.Error(key, scalar, "is not a path such as /mqtt");
        return absent;
    }

    private static RewriteOptions ReadRewrite(Section section)
    {
        if (section.Get("client-id") is HoconScalar { Text: Remove } id)
        {
            section.Error("client-id", id, "is not an id for all clients, and a client id cannot be removed");
        }
        bool userName = Removes(section, "username"), password = Removes(section, "password");
        var result = new RewriteOptions(
            section.Template("client-id"),
            userName ? null : section.Template("username"),
            password ? null : section.Template("password", secret: true))
        {
            RemovesUserName = userName,
            RemovesPassword = password,
        };
        if (userName && result.Password is not null)
        {
            section.Report.Warn(
                section.PositionOf("password"), section.PathOf("password"), null,
                "is set although username is removed: before MQTT 5 a password needs a user name, and such clients are refused");
        }
        section.Close();
        return result.IsEmpty ? RewriteOptions.None : result;
    }

    private static bool Removes(Section section, string key) =>
        section.Get(key) is HoconScalar { Text: Remove } && section.Scalar(key, "a text") is not null;

    private static ImmutableArray<IPNetwork> AcceptProxyFrom(Section listener)
    {
        var section = listener.OptionalChild("accept-proxy-protocol");
        if (section is null) return [];
        var from = section.Networks("from");
        if (section.Elements("from") is null or { Count: 0 })
        {
            section.Missing("from", "is required: the networks whose PROXY headers are trusted");
        }
        section.Close();
        return from;
    }

    private static TimeSpan? IdleTimeout(Section section)
    {
        var scalar = section.Scalar("idle-timeout", "auto, off or a duration such as 30m");
        if (scalar is null || scalar.Text == "auto") return null;
        return section.ParseDuration(
            "idle-timeout", scalar, TimeSpan.Zero, ConfigurationDefaults.Instant, TimeSpan.FromDays(365), offIsZero: true);
    }

    private static LimitOptions ReadLimits(Section section)
    {
        int rate = section.Integer("connects-per-second", absent: 0, min: 0, max: 10_000_000);
        var result = new LimitOptions(rate, 0, 0);
        if (section.Get("per-address") is HoconObject)
        {
            var address = section.Child("per-address");
            result = result with
            {
                PerAddressConnections = address.Integer("connections", absent: 0, min: 0, max: 10_000_000),
                PerAddressRate = address.Integer("rate", absent: 0, min: 0, max: 10_000_000),
            };
            address.Close();
        }
        else
        {
            result = result with { PerAddressConnections = section.Integer("per-address", absent: 0, min: 0, max: 10_000_000) };
        }
        section.Close();
        return result;
    }
}
