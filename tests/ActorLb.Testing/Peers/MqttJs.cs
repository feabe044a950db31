using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>How a client connects; the scheme of the address chooses between mqtt, mqtts, ws and wss.</summary>
internal sealed record MqttJsConnect
{
    public required string Url { get; init; }

    public required string ClientId { get; init; }

    /// <summary>3 for MQTT 3.1, 4 for 3.1.1, 5 for 5.</summary>
    public int Version { get; init; } = 4;

    public bool Clean { get; init; } = true;

    public int KeepAlive { get; init; } = 60;

    public string? UserName { get; init; }

    public string? Password { get; init; }

    /// <summary>PEM files.</summary>
    public string? Ca { get; init; }

    public string? Certificate { get; init; }

    public string? Key { get; init; }

    public bool VerifyServer { get; init; } = true;

    /// <summary>Server name for SNI.</summary>
    public string? ServerName { get; init; }

    /// <summary>Further options as MQTT.js has them, e.g. <c>will</c>.</summary>
    public JsonObject Options { get; init; } = [];

    public static string Address(string scheme, IPEndPoint endPoint, string path = "") =>
        string.Create(CultureInfo.InvariantCulture, $"{scheme}://{endPoint}{path}");
}

internal sealed record MqttJsMessage(string Topic, byte[] Payload, int Qos, bool Retain)
{
    public string Text => Encoding.UTF8.GetString(Payload);
}

/// <param name="Code">CONNACK return or reason code, or an error code of the socket.</param>
internal sealed class MqttJsException(string message, string? code) : Exception(message)
{
    public string? Code { get; } = code;
}

/// <summary>One Node.js process that hosts any number of MQTT.js clients.</summary>
internal sealed class MqttJs : IAsyncDisposable
{
    private readonly ProcessHost _process;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private int _calls;
    private int _names;

    private MqttJs(ProcessHost process)
    {
        _process = process;
    }

    public static async Task<MqttJs> StartAsync()
    {
        var process = NodeScript.Start("clients.mjs");
        try
        {
            await process.WaitForLineAsync("\"ready\"");
            return new MqttJs(process);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <exception cref="MqttJsException">The connection failed or was refused.</exception>
    public async Task<MqttJsClient> ConnectAsync(MqttJsConnect connect)
    {
        string name = Interlocked.Increment(ref _names).ToString(CultureInfo.InvariantCulture);
        var options = (JsonObject)connect.Options.DeepClone();
        options["clientId"] = connect.ClientId;
        options["protocolVersion"] = connect.Version;
        options["clean"] = connect.Clean;
        options["keepalive"] = connect.KeepAlive;
        options["rejectUnauthorized"] = connect.VerifyServer;
        Put(options, "username", connect.UserName);
        Put(options, "password", connect.Password);
        Put(options, "servername", connect.ServerName);
        var files = new JsonObject();
        Put(files, "ca", connect.Ca);
        Put(files, "cert", connect.Certificate);
        Put(files, "key", connect.Key);
        var answer = await CallAsync("connect", name, new JsonObject
        {
            ["url"] = connect.Url,
            ["options"] = options,
            ["files"] = files,
        });
        return new MqttJsClient(this, name, answer["sessionPresent"]?.GetValue<bool>() ?? false);
    }

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _writing.Dispose();
    }

    internal async Task<JsonNode> CallAsync(string verb, string name, JsonObject arguments)
    {
        int call = Interlocked.Increment(ref _calls);
        arguments["call"] = call;
        arguments["do"] = verb;
        arguments["name"] = name;
        await _writing.WaitAsync();
        try
        {
            await _process.Input.WriteLineAsync(arguments.ToJsonString());
            await _process.Input.FlushAsync();
        }
        finally
        {
            _writing.Release();
        }

        string start = string.Create(CultureInfo.InvariantCulture, $"{{\"call\":{call},");
        string line = await _process.WaitForLineAsync(l => l.StartsWith(start, StringComparison.Ordinal));
        var answer = JsonNode.Parse(line)!;
        if (!answer["ok"]!.GetValue<bool>())
            throw new MqttJsException(answer["error"]?.ToString() ?? "no reason given", answer["code"]?.ToString());
        return answer;
    }

    internal IEnumerable<JsonNode> Events(string name, string client) =>
        _process.Lines.Select(line => Event(line, name, client)).OfType<JsonNode>();

    internal Task WaitForEventAsync(string name, string client, int count)
    {
        // The predicate sees each line once, in order, first those already there.
        int seen = 0;
        return _process.WaitForLineAsync(line => Event(line, name, client) is not null && ++seen == count);
    }

    private static JsonNode? Event(string line, string name, string client)
    {
        if (!line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal))
            return null;
        var json = JsonNode.Parse(line)!;
        return json["name"]?.GetValue<string>() == client ? json : null;
    }

    private static void Put(JsonObject into, string key, string? value)
    {
        if (value is not null)
            into[key] = value;
    }
}

internal sealed class MqttJsClient(MqttJs host, string name, bool sessionPresent)
{
    private int _read;

    public bool SessionPresent { get; } = sessionPresent;

    /// <summary>Returns the granted QoS.</summary>
    public async Task<int> SubscribeAsync(string topic, int qos = 0)
    {
        var answer = await host.CallAsync("subscribe", name, new JsonObject { ["topic"] = topic, ["qos"] = qos });
        return answer["code"]!.GetValue<int>();
    }

    /// <summary>Completes when the QoS's handshake has.</summary>
    public Task PublishAsync(string topic, ReadOnlySpan<byte> payload, int qos = 0, bool retain = false) =>
        host.CallAsync("publish", name, new JsonObject
        {
            ["topic"] = topic,
            ["payload"] = Convert.ToBase64String(payload),
            ["qos"] = qos,
            ["retain"] = retain,
        });

    public Task PublishAsync(string topic, string payload, int qos = 0, bool retain = false) =>
        PublishAsync(topic, Encoding.UTF8.GetBytes(payload), qos, retain);

    /// <summary>The next message in the order of arrival.</summary>
    public async Task<MqttJsMessage> NextMessageAsync()
    {
        await host.WaitForEventAsync("message", name, _read + 1);
        var json = host.Events("message", name).ElementAt(_read);
        _read++;
        return new MqttJsMessage(
            json["topic"]!.GetValue<string>(),
            Convert.FromBase64String(json["payload"]!.GetValue<string>()),
            json["qos"]!.GetValue<int>(),
            json["retain"]!.GetValue<bool>());
    }

    public Task WaitForCloseAsync() => host.WaitForEventAsync("closed", name, 1);

    /// <summary>Waits for a DISCONNECT of MQTT 5 from the server and returns its reason code.</summary>
    public async Task<int> WaitForDisconnectAsync()
    {
        await host.WaitForEventAsync("disconnect", name, 1);
        return host.Events("disconnect", name).First()["code"]!.GetValue<int>();
    }

    /// <param name="force">Closes the socket without a DISCONNECT, so that the Will is due.</param>
    public Task EndAsync(bool force = false) => host.CallAsync("end", name, new JsonObject { ["force"] = force });
}
