namespace ActorLb.Configuration;

/// <summary>
/// The words of the configuration; the first of several for one value is the one that is rendered. Every start reads all of these tables.
/// Plain loops, because LINQ over a pair with one of our enums is not compiled ahead of time: for each enum the runtime would compile it again,
/// a quarter of all that a start compiles.
/// </summary>
internal static class ConfigurationNames
{
    public static readonly (string Name, DataPlaneKind Value)[] DataPlanes = [("reactor", DataPlaneKind.Reactor), ("streams", DataPlaneKind.Streams)];

    public static readonly (string Name, WillOnDrain Value)[] Will = [("keep", WillOnDrain.Keep), ("suppress", WillOnDrain.Suppress)];

    public static readonly (string Name, LogLevelName Value)[] LogLevel =
    [
        ("trace", LogLevelName.Trace), ("debug", LogLevelName.Debug), ("info", LogLevelName.Info),
        ("warning", LogLevelName.Warning), ("warn", LogLevelName.Warning), ("error", LogLevelName.Error), ("off", LogLevelName.Off),
    ];

    public static readonly (string Name, LogFormat Value)[] LogFormats = [("text", LogFormat.Text), ("json", LogFormat.Json)];

    public static readonly (string Name, SplitRule Value)[] WhenSplit = [("majority", SplitRule.Majority), ("oldest", SplitRule.Oldest)];

    public static readonly (string Name, BalanceKind Value)[] Balance =
    [
        ("round-robin", BalanceKind.RoundRobin), ("least-connections", BalanceKind.LeastConnections), ("random", BalanceKind.Random),
        ("ip-hash", BalanceKind.IpHash), ("hash", BalanceKind.Hash), ("sticky", BalanceKind.Sticky),
    ];

    /// <summary>Sticky cannot place new clients itself: it uses another policy for that.</summary>
    public static readonly (string Name, BalanceKind Value)[] Place = Balance[..^1];

    public static readonly (string Name, ProxyProtocolVersion Value)[] ProxyProtocol =
    [
        ("off", ProxyProtocolVersion.Off), ("false", ProxyProtocolVersion.Off), ("no", ProxyProtocolVersion.Off),
        ("v1", ProxyProtocolVersion.V1), ("v2", ProxyProtocolVersion.V2),
    ];

    public static readonly (string Name, ProxyTlvs Value)[] Tlvs =
    [
        ("authority", ProxyTlvs.Authority), ("alpn", ProxyTlvs.Alpn), ("ssl", ProxyTlvs.Ssl), ("unique-id", ProxyTlvs.UniqueId),
        ("crc32c", ProxyTlvs.Crc32c),
    ];

    public static readonly (string Name, ProbeKind Value)[] Probe =
    [
        ("mqtt", ProbeKind.Mqtt), ("tcp", ProbeKind.Tcp), ("http", ProbeKind.Http), ("none", ProbeKind.None), ("off", ProbeKind.None),
    ];

    public static readonly (string Name, ProbedUnavailable Value)[] On503 = [("fail", ProbedUnavailable.Fail), ("drain", ProbedUnavailable.Drain)];

    public static readonly (string Name, OtlpProtocol Value)[] OtlpProtocols = [("http", OtlpProtocol.Http), ("grpc", OtlpProtocol.Grpc)];

    public static readonly (string Name, SessionsOnDown Value)[] OnDown = [("keep", SessionsOnDown.Keep), ("close", SessionsOnDown.Close)];

    public static readonly (string Name, ListenerProtocol Value)[] Protocol =
        [("mqtt", ListenerProtocol.Mqtt), ("tcp", ListenerProtocol.Tcp)];

    public static readonly (string Name, TlsProtocols Value)[] TlsVersions =
    [
        ("TLSv1", TlsProtocols.Tls10), ("TLSv1.1", TlsProtocols.Tls11), ("TLSv1.2", TlsProtocols.Tls12), ("TLSv1.3", TlsProtocols.Tls13),
    ];

    public static readonly (string Name, VerifyClient Value)[] Verify =
    [
        ("off", VerifyClient.Off), ("optional", VerifyClient.Optional), ("on", VerifyClient.On),
        ("false", VerifyClient.Off), ("no", VerifyClient.Off), ("true", VerifyClient.On), ("yes", VerifyClient.On),
    ];

    public static readonly (string Name, CrlCheck Value)[] CrlChecks = [("leaf", CrlCheck.Leaf), ("chain", CrlCheck.Chain)];

    public static readonly (string Name, CrlExpired Value)[] CrlExpiries = [("refuse", CrlExpired.Refuse), ("warn", CrlExpired.Warn)];

    /// <summary>The six words of HOCON's "Automatic type conversions".</summary>
    public static bool TryFlag(string text, out bool value)
    {
        value = text is "on" or "true" or "yes";
        return value || text is "off" or "false" or "no";
    }

    public static bool TryFind<T>((string Name, T Value)[] names, string text, out T value)
    {
        foreach (var each in names)
        {
            if (each.Name != text) continue;
            value = each.Value;
            return true;
        }
        value = names[0].Value;
        return false;
    }

    public static string NameOf<T>((string Name, T Value)[] names, T value) where T : struct, Enum
    {
        foreach (var each in names)
        {
            if (each.Value.Equals(value)) return each.Name;
        }
        throw new ArgumentOutOfRangeException(nameof(value), value, "has no name");
    }

    /// <summary>Those of the values that are in <paramref name="flags"/>.</summary>
    public static List<string> NamesIn<T>((string Name, T Value)[] names, T flags) where T : struct, Enum
    {
        var result = new List<string>();
        foreach (var each in names)
        {
            if (flags.HasFlag(each.Value)) result.Add(each.Name);
        }
        return result;
    }

    /// <summary>One name per value, for messages.</summary>
    public static string List<T>((string Name, T Value)[] names) where T : struct, Enum
    {
        var result = new List<string>();
        foreach (var each in names)
        {
            if (NameOf(names, each.Value) == each.Name) result.Add(each.Name);
        }
        return string.Join(", ", result);
    }
}
