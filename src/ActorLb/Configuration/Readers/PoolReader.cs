using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>One entry of <c>pools</c>.</summary>
internal static class PoolReader
{
    public static PoolOptions Read(string name, Section section)
    {
        (var backends, var discovery) = BackendReader.Read(section);
        var tls = section.OptionalChild("tls");
        var result = new PoolOptions(
            name,
            section.Choice("balance", BalanceKind.RoundRobin, ConfigurationNames.Balance),
            section.Template("hash-key") ?? DefaultHashKey(),
            section.Choice("place", BalanceKind.LeastConnections, ConfigurationNames.Place),
            backends, discovery,
            section.Duration("connect-timeout", TimeSpan.FromSeconds(10), ConfigurationDefaults.Instant, TimeSpan.FromHours(1)),
            ProxyProtocol(section),
            Tlvs(section),
            SourceAddressReader.Read(section),
            WebSocketPath(section),
            tls is null ? null : ReadTls(tls),
            ReadHealth(section.Child("health")),
            ReadRetry(section.Child("retry")),
            (int)section.Size("buffer-size", absent: 64 << 10, min: 1 << 10, max: 64 << 20),
            ReadTcp(section.Child("tcp")))
        {
            OnDown = section.Choice("on-down", SessionsOnDown.Keep, ConfigurationNames.OnDown),
            ConnectsPerSecond = section.Integer("connects-per-second", absent: 0, min: 0, max: 1_000_000),
            ConnectQueue = ReadConnectQueue(section.Child("connect-queue")),
        };
        section.Close();
        CheckRetry(section, result);
        EmqxReader.CheckSeed(section, result);
        return result;
    }

    private static void CheckRetry(Section section, PoolOptions pool)
    {
        if (pool.Retry.Tries == 1 || pool.Retry.Timeout > pool.ConnectTimeout) return;
        var retry = section.Child("retry");
        bool byRetry = retry.Has("timeout");
        section.Report.Warn(
            byRetry ? retry.PositionOf("timeout") : section.PositionOf("connect-timeout"), retry.PathOf("timeout"), Hocon.HoconUnits.FormatDuration(pool.Retry.Timeout),
            "is not longer than connect-timeout: if a backend accepts the connection but stays silent, no other one is tried");
    }

    private static Template DefaultHashKey() =>
        Template.TryParse(ConfigurationDefaults.HashKey, out var key, out _) ? key! : throw new InvalidOperationException();

    /// <summary><c>on</c> is what NGINX writes, and NGINX's default is version 1.</summary>
    private static ProxyProtocolVersion ProxyProtocol(Section section)
    {
        bool flag = section.Get("proxy-protocol") is HoconScalar scalar && ConfigurationNames.TryFlag(scalar.Text, out bool on) && on;
        return flag ? ProxyProtocolVersion.V1 : section.Choice("proxy-protocol", ProxyProtocolVersion.Off, ConfigurationNames.ProxyProtocol);
    }

    private static ProxyTlvs Tlvs(Section section)
    {
        if (!section.Has("proxy-protocol-tlvs")) return ConfigurationDefaults.Tlvs;
        var result = ProxyTlvs.None;
        string known = ConfigurationNames.List(ConfigurationNames.Tlvs);
        foreach ((string path, var scalar) in section.Scalars("proxy-protocol-tlvs", $"one of {known}"))
        {
            if (ConfigurationNames.TryFind(ConfigurationNames.Tlvs, scalar.Text, out var tlv)) result |= tlv;
            else section.Report.Error(scalar, path, $"is not one of {known}");
        }
        return result;
    }

    private static string? WebSocketPath(Section pool)
    {
        var section = pool.OptionalChild("websocket");
        if (section is null) return null;
        string path = ListenerReader.RequestPath(section, "path", ConfigurationDefaults.WebSocketPath);
        section.Close();
        return path;
    }

    private static UpstreamTlsOptions ReadTls(Section section)
    {
        (string? certificate, string? key) = ServiceTlsReader.Pair(section, required: false);
        string? name = section.OptionalText("server-name");
        if (name is not null && !AddressText.IsHost(name)) section.Error("server-name", section.Get("server-name")!, "is not a host name");
        var result = new UpstreamTlsOptions(section.ReadableFile("ca"), name, section.Flag("verify", absent: true), certificate, key);
        section.Close();
        return result;
    }

    private static HealthOptions ReadHealth(Section section)
    {
        var absent = ConfigurationDefaults.Health;
        var result = new HealthOptions(
            section.Choice("probe", absent.Probe, ConfigurationNames.Probe),
            section.Duration("interval", absent.Interval, TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1)),
            section.Duration("timeout", absent.Timeout, ConfigurationDefaults.Instant, TimeSpan.FromHours(1)),
            section.Integer("rise", absent.Rise, 1, 1000),
            section.Integer("fall", absent.Fall, 1, 1000),
            ListenerReader.RequestPath(section, "path", absent.Path),
            section.Integer("port", absent.Port, 0, 65535))
        {
            Grace = section.Duration("grace", absent.Grace, TimeSpan.Zero, TimeSpan.FromHours(1), offIsZero: true),
            On503 = section.Choice("on-503", absent.On503, ConfigurationNames.On503),
        };
        if (result is { On503: ProbedUnavailable.Drain, Probe: not ProbeKind.Http })
        {
            section.Report.Warn(section.PositionOf("on-503"), section.PathOf("on-503"), "drain", "has no effect: it applies only to probe = http");
        }
        section.Close();
        return result;
    }

    private static ConnectQueueOptions ReadConnectQueue(Section section)
    {
        var result = new ConnectQueueOptions(
            section.Integer("length", absent: 0, min: 1, max: 1_000_000, word: "auto"),
            section.Duration("timeout", TimeSpan.FromSeconds(10), ConfigurationDefaults.Instant, TimeSpan.FromHours(1)));
        section.Close();
        return result;
    }

    private static RetryOptions ReadRetry(Section section)
    {
        var absent = ConfigurationDefaults.Retry;
        var result = new RetryOptions(
            section.Integer("tries", absent.Tries, 1, RetryOptions.MaxTries),
            section.Duration("timeout", absent.Timeout, ConfigurationDefaults.Instant, TimeSpan.FromHours(1)));
        section.Close();
        return result;
    }

    private static TcpOptions ReadTcp(Section section)
    {
        var absent = ConfigurationDefaults.Tcp;
        // The kernel counts keep-alive in whole seconds up to 32,767 (tcp(7), TCP_KEEPIDLE).
        var result = new TcpOptions(
            section.Flag("no-delay", absent.NoDelay),
            section.Duration("keep-alive", absent.KeepAlive, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(32_767), offIsZero: true),
            section.Duration("user-timeout", absent.UserTimeout, ConfigurationDefaults.Instant, TimeSpan.FromDays(20), offIsZero: true));
        section.Close();
        return result;
    }
}
