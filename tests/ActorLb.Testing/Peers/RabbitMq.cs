using System.Globalization;
using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <param name="Peer">The address that the broker learned, from the PROXY header.</param>
internal sealed record RabbitMqConnection(string Peer, int Port, string ClientId);

/// <summary>
/// A RabbitMQ node with the MQTT plugin (3.1 and 3.1.1) and the PROXY protocol on, apart from any service of the machine:
/// own folder, ports, node name, cookie and port mapper.
/// </summary>
internal sealed class RabbitMq : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(120);

    private readonly TempFolder _folder;
    private readonly ProcessHost _portMapper;
    private readonly Dictionary<string, string?> _environment;

    private RabbitMq(
        ProcessHost process, ProcessHost portMapper, TempFolder folder, IPEndPoint endPoint, Dictionary<string, string?> environment)
    {
        Process = process;
        _portMapper = portMapper;
        _folder = folder;
        _environment = environment;
        EndPoint = endPoint;
    }

    public ProcessHost Process { get; }

    /// <summary>MQTT, a PROXY header demanded.</summary>
    public IPEndPoint EndPoint { get; }

    public static Task<RabbitMq> StartAsync() => Attempts.StartAsync(async () =>
    {
        var folder = new TempFolder();
        var endPoint = Ports.FreeEndPoint();
        string mapperPort = Ports.Free().ToString(CultureInfo.InvariantCulture);
        // Clients behind a PROXY header come from strange addresses, where the default user may not sign in unless told so.
        string config = folder.Write("rabbitmq.conf", $"""
            listeners.tcp = none
            mqtt.listeners.tcp.1 = {endPoint}
            mqtt.proxy_protocol = true
            mqtt.allow_anonymous = true
            loopback_users = none
            log.console = true
            log.console.level = info
            log.file = false

            """);
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["HOME"] = folder.Path,
            ["RABBITMQ_CONF_ENV_FILE"] = folder.Write("rabbitmq-env.conf", ""),
            ["RABBITMQ_CONFIG_FILE"] = config,
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = folder.Write("enabled_plugins", "[rabbitmq_mqtt].\n"),
            ["RABBITMQ_NODENAME"] = $"lb{endPoint.Port.ToString(CultureInfo.InvariantCulture)}@localhost",
            ["RABBITMQ_MNESIA_BASE"] = folder["mnesia"],
            ["RABBITMQ_LOG_BASE"] = folder["log"],
            ["RABBITMQ_LOGS"] = "-",
            ["RABBITMQ_SCHEMA_DIR"] = folder["schema"],
            ["RABBITMQ_GENERATED_CONFIG_DIR"] = folder["generated"],
            ["RABBITMQ_PID_FILE"] = folder["pid"],
            ["RABBITMQ_DIST_PORT"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
            ["ERL_EPMD_PORT"] = mapperPort,
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            // One scheduler and no busy waiting: the machine has other things to do.
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "+S 1:1 +sbwt none",
        };
        // The node would start the port mapper itself, as a daemon that outlives it.
        var mapper = ProcessHost.Start("epmd", ["-address", "127.0.0.1", "-port", mapperPort]);
        ProcessHost? process = null;
        try
        {
            await mapper.WaitForPortAsync(new IPEndPoint(IPAddress.Loopback, int.Parse(mapperPort, CultureInfo.InvariantCulture)));
            process = ProcessHost.Start("/usr/lib/rabbitmq/bin/rabbitmq-server", [], environment, folder.Path);
            await process.WaitForLineAsync("Server startup complete", StartTimeout);
            return new RabbitMq(process, mapper, folder, endPoint, environment);
        }
        catch
        {
            if (process is not null)
                await process.DisposeAsync();
            await mapper.DisposeAsync();
            folder.Dispose();
            throw;
        }
    });

    /// <summary>Waits until the broker logged the client's session and returns the address that it gives.</summary>
    public async Task<RabbitMqConnection> WaitForClientAsync(string id)
    {
        // "accepting MQTT connection <0.1.0> (192.0.2.7:4000 -> 127.0.0.1:1883, client id: ID)"
        string line = await Process.WaitForLineAsync(l =>
            l.Contains("MQTT connection", StringComparison.Ordinal) && l.Contains($"client id: {id})", StringComparison.Ordinal));
        int from = line.LastIndexOf('(', line.IndexOf(" -> ", StringComparison.Ordinal)) + 1;
        var peer = IPEndPoint.Parse(line[from..line.IndexOf(" -> ", StringComparison.Ordinal)]);
        return new RabbitMqConnection(peer.Address.ToString(), peer.Port, id);
    }

    /// <summary>The broker's own list of client connections. Slow: the command starts a virtual machine.</summary>
    public async Task<IReadOnlyList<RabbitMqConnection>> ListConnectionsAsync()
    {
        var result = await ProcessHost.RunAsync(
            "/usr/lib/rabbitmq/bin/rabbitmqctl",
            ["--quiet", "list_mqtt_connections", "peer_host", "peer_port", "client_id"], _environment);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"rabbitmqctl ended with {result.ExitCode}: {result.Output}");
        var connections = new List<RabbitMqConnection>();
        foreach (string line in result.Lines)
        {
            string[] fields = line.Split('\t');
            if (fields.Length < 3 || !int.TryParse(fields[1], CultureInfo.InvariantCulture, out int port))
                continue;
            connections.Add(new RabbitMqConnection(fields[0], port, fields[2]));
        }

        return connections;
    }

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        await _portMapper.DisposeAsync();
        _folder.Dispose();
    }
}
