using System.Net;
using ActorLb.Configuration.Hocon;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>node</c>, <c>log</c>, <c>admin</c> and <c>sticky</c> blocks.</summary>
internal static class NodeReader
{
    public static NodeOptions ReadNode(Section section)
    {
        string data = section.FilePath("data-dir", "data");
        var result = new NodeOptions(
            NodeName(section),
            section.Integer("workers", absent: 0, min: 1, max: 1024, word: "auto"),
            section.Choice("data-plane", DataPlaneKind.Reactor, ConfigurationNames.DataPlanes),
            section.Integer("max-connections", absent: 20480, min: 1, max: 10_000_000),
            SetupMemory(section),
            data,
            section.Duration("drain-timeout", TimeSpan.FromSeconds(30), TimeSpan.Zero, TimeSpan.FromDays(1)),
            PidFile(section, data),
            section.Choice("will", WillOnDrain.Keep, ConfigurationNames.Will),
            section.OptionalText("server-reference"));
        section.Close();
        return result;
    }

    /// <summary>Letters, digits, dots, hyphens and underscores, at most 64: names become member roles and metric labels.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= 64 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    public const string NameRule = "is not a name of at most 64 letters, digits, dots, hyphens and underscores";

    public static LogOptions ReadLog(Section section)
    {
        var result = new LogOptions(
            section.Choice("level", LogLevelName.Info, ConfigurationNames.LogLevel),
            section.Choice("format", LogFormat.Text, ConfigurationNames.LogFormats),
            AccessLog(section));
        section.Close();
        return result;
    }

    public static AdminOptions ReadAdmin(Section section)
    {
        var bind = section.Bind("bind") ?? ConfigurationDefaults.Admin;
        string? token = section.ReadableFile("token-file");
        bool hasToken = section.Has("token-file");
        var tls = section.OptionalChild("tls");
        var tlsOptions = tls is null ? null : ServiceTlsReader.Read(tls, certificateRequired: true, caRequired: false);
        section.Close();
        if (!IPAddress.IsLoopback(bind.Address) && !hasToken && (tls is null || !tls.Has("ca")))
        {
            section.Error(
                "bind", section.Get("bind")!,
                "is not a loopback address: set token-file, or tls with a ca for client certificates, to restrict access");
        }
        return new AdminOptions(bind, token, tlsOptions);
    }

    public static StickyOptions ReadSticky(Section section)
    {
        var result = new StickyOptions(
            section.Duration("ttl", TimeSpan.FromHours(24), TimeSpan.FromSeconds(1), ConfigurationDefaults.Forever),
            section.Integer("max-entries", absent: 10_000_000, min: MapSettings.StandardPartitions, max: 1_000_000_000))
        {
            Damping = ReadDamping(section),
        };
        section.Close();
        return result;
    }

    private static DampingOptions? ReadDamping(Section sticky)
    {
        var section = sticky.OptionalChild("damping");
        if (section is null) return null;
        var result = new DampingOptions(
            section.Integer("takeovers", absent: 5, min: 1, max: 1000),
            section.Duration("within", TimeSpan.FromSeconds(10), ConfigurationDefaults.Instant, TimeSpan.FromHours(1)),
            section.Duration("delay", TimeSpan.FromSeconds(5), ConfigurationDefaults.Instant, TimeSpan.FromHours(1)));
        section.Close();
        return result;
    }

    private static string NodeName(Section section)
    {
        var scalar = section.Scalar("name", "a name");
        if (scalar is not null && !IsName(scalar.Text)) section.Error("name", scalar, NameRule);
        return scalar?.Text ?? Environment.MachineName;
    }

    /// <summary>At least room for a CONNECT of the largest default size, both as received and as sent on.</summary>
    private static long SetupMemory(Section section) =>
        section.Get("setup-memory") is HoconScalar { Text: "auto" } ? 0 : section.Size("setup-memory", absent: 0, min: 4L << 20, max: 1L << 40);

    private static string? PidFile(Section section, string data) =>
        IsOff(section, "pid-file") ? null : section.FilePath("pid-file", Path.Combine(data, "actorlb.pid"));

    private static string? AccessLog(Section section)
    {
        var scalar = section.Scalar("access", "off, stdout or a file name");
        if (scalar is null || IsOff(section, "access")) return null;
        return ConfigurationNames.TryFlag(scalar.Text, out _) || scalar.Text == "stdout" ? "stdout" : section.FilePath("access", "");
    }

    private static bool IsOff(Section section, string key) =>
        section.Get(key) is HoconScalar scalar && ConfigurationNames.TryFlag(scalar.Text, out bool on) && !on;
}
