using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration;
using ActorLb.Protocol.CommandLine;
using ActorLb.Protocol.Failures;
using ActorLb.Protocol.Mqtt;
using ActorLb.Server.Bench;
using ActorLb.Tls;

namespace ActorLb.Server.Commands;

/// <summary>The options shared by both benches: how many clients connect, where, and as what.</summary>
internal sealed class BenchTargetOptions
{
    private readonly Option<string> _host = new("--host", "-h")
    {
        Description = "Address or name to connect to",
        DefaultValueFactory = _ => "127.0.0.1",
    };
    private readonly Option<int?> _port = new("--port", "-p")
    {
        Description = "Port [1883; 8883 with --tls; 8083 or 8084 with --ws]",
    };
    private readonly Option<string> _version = new("--mqtt-version", "-V")
    {
        Description = "MQTT version",
        DefaultValueFactory = _ => "3.1.1",
    };
    private readonly Option<string?> _user = new("--user", "-u") { Description = "User name" };
    private readonly Option<string?> _password = new("--password", "-P") { Description = "Password" };
    private readonly Option<bool> _tls = new("--tls") { Description = "Use TLS" };
    private readonly Option<FileInfo?> _ca = new("--ca") { Description = "PEM file of the authorities to trust; implies --tls" };
    private readonly Option<FileInfo?> _certificate = new("--cert")
    {
        Description = "PEM file of the client certificate; implies --tls",
    };
    private readonly Option<FileInfo?> _key = new("--key") { Description = "PEM file of its key" };
    private readonly Option<bool> _insecure = new("--insecure") { Description = "Accept any server certificate; implies --tls" };
    private readonly Option<string?> _serverName = new("--servername") { Description = "Server name to request and verify [the host]" };
    private readonly Option<string?> _webSocket = new("--ws")
    {
        Description = "Use WebSocket on this path, such as /mqtt",
        HelpName = "path",
    };
    private readonly Option<string?> _prefix = new("--client-id-prefix")
    {
        Description = "Prefix of the client ids, followed by the client's number [random for each run]",
    };
    private readonly Option<int> _keepAlive = new("--keep-alive", "-k")
    {
        Description = "Keep Alive in seconds",
        DefaultValueFactory = _ => 60,
    };
    private readonly Option<TimeSpan?> _timeout = Duration("--timeout", "Longest wait from connect to CONNACK before a client counts as failed", "30s");

    public Option<int> Clients { get; } = new("--clients", "-c")
    {
        Description = "Number of clients",
        DefaultValueFactory = _ => 1000,
    };

    public Option<int> Interval { get; } = new("--interval", "-i")
    {
        Description = "Milliseconds between connects",
        DefaultValueFactory = _ => 10,
    };

    public BenchTargetOptions(Command command)
    {
        _version.AcceptOnlyFromAmong("3.1", "3.1.1", "5");
        Between(Clients, 1, 1_000_000);
        Between(Interval, 0, 3_600_000);
        Between(_keepAlive, 0, ushort.MaxValue);
        Between(_port, 1, ushort.MaxValue);
        _webSocket.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } path && !path.StartsWith('/')) result.AddError("--ws must be a path that starts with /");
        });
        Option[] all = [Clients, _host, _port, Interval, _version, _user, _password, _tls, _ca, _certificate, _key, _insecure, _serverName,
            _webSocket, _prefix, _keepAlive, _timeout];
        foreach (var option in all) command.Add(option);
    }

    /// <exception cref="BenchFailure">A certificate file cannot be used, or options contradict each other.</exception>
    public BenchTarget Read(ParseResult parsed)
    {
        string? webSocket = parsed.GetValue(_webSocket);
        var tls = ReadTls(parsed);
        int port = parsed.GetValue(_port) ?? (webSocket is null ? tls is null ? 1883 : 8883 : tls is null ? 8083 : 8084);
        var version = parsed.GetValue(_version) switch { "3.1" => MqttVersion.V31, "5" => MqttVersion.V5, _ => MqttVersion.V311 };
        string? password = parsed.GetValue(_password);
        string? user = parsed.GetValue(_user);
        if (password is not null && user is null && version != MqttVersion.V5)
            throw new BenchFailure("--password without --user is only possible with MQTT 5 (3.1.1, 3.1.2.9)");
        // Short enough for MQTT 3.1's 23 characters, even with six digits appended.
        string prefix = parsed.GetValue(_prefix) ?? $"bench-{RandomNumberGenerator.GetHexString(6, lowercase: true)}-";
        return new BenchTarget(parsed.GetValue(_host)!, port, version, user, password, tls, webSocket, prefix,
            (ushort)parsed.GetValue(_keepAlive), parsed.GetValue(_timeout) ?? TimeSpan.FromSeconds(30));
    }

    /// <param name="absent">The default, as shown in the help; the code that reads the option applies it.</param>
    public static Option<TimeSpan?> Duration(string name, string description, string absent, params string[] aliases) => new(name, aliases)
    {
        Description = $"{description}; such as 500ms, 10s, 5m or 1h (a plain number is in seconds) [{absent}]",
        HelpName = "duration",
        CustomParser = result =>
        {
            if (DurationText.Parse(result.Tokens[0].Value) is { } duration) return duration;
            result.AddError($"{name}: '{result.Tokens[0].Value}' is not a duration such as 500ms, 10s, 5m or 1h");
            return null;
        },
    };

    /// <summary>Refuses numbers outside the range; the parser itself refuses what is not a number.</summary>
    public static void Between(Option option, double least, double most) => option.Validators.Add(result =>
    {
        foreach (var token in result.Tokens)
        {
            if (double.TryParse(token.Value, CultureInfo.InvariantCulture, out double value) && !(value >= least && value <= most))
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} must be from {least} to {most}, not {token.Value}"));
        }
    });

    private BenchTls? ReadTls(ParseResult parsed)
    {
        FileInfo? ca = parsed.GetValue(_ca), certificate = parsed.GetValue(_certificate), key = parsed.GetValue(_key);
        bool insecure = parsed.GetValue(_insecure);
        if (key is not null && certificate is null) throw new BenchFailure("--key needs --cert");
        if (!parsed.GetValue(_tls) && ca is null && certificate is null && !insecure) return null;
        try
        {
            // OpenSSL reports which file is at fault, and whether a key belongs to another certificate.
            TlsClientContext.Build(new UpstreamTlsOptions(ca?.FullName, null, Verify: true, certificate?.FullName, key?.FullName)).Dispose();
        }
        catch (TlsConfigurationException exception)
        {
            throw new BenchFailure(string.Join("\nactorlb bench: ", exception.Problems));
        }
        X509Certificate2Collection? authorities = null;
        if (ca is not null)
        {
            authorities = [];
            Load(ca, () => authorities.ImportFromPem(InputFile.ReadText(ca.FullName)));
        }
        X509Certificate2? own = null;
        if (certificate is not null) Load(certificate, () => own = X509Certificate2.CreateFromPem(InputFile.ReadText(certificate.FullName), InputFile.ReadText((key ?? certificate).FullName)));
        return new BenchTls(authorities, own, insecure, parsed.GetValue(_serverName));
    }

    private static void Load(FileInfo file, Action load)
    {
        try
        {
            load();
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new BenchFailure($"{file}: {PemFailure.Describe(exception)}");
        }
    }
}
