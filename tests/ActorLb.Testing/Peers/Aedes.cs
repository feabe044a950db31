using System.Net;
using System.Text.Json;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <param name="Address">The address that the broker learned, from the PROXY header or X-Real-IP where there is one.</param>
/// <param name="Proxy">Version of the PROXY header, 0 without.</param>
/// <param name="Header">The PROXY header as it came, in hexadecimal.</param>
/// <param name="Headers">Headers of the WebSocket upgrade, in lower case.</param>
internal sealed record AedesClient(
    string Id, int Version, string Address, int Port, int Proxy, string Header, bool WebSocket,
    IReadOnlyDictionary<string, string> Headers);

/// <summary>An aedes broker (MQTT 3.1 and 3.1.1) that listens for MQTT over TCP and over WebSocket.</summary>
internal sealed class Aedes : IAsyncDisposable
{
    private Aedes(ProcessHost process, IPEndPoint mqtt, IPEndPoint webSocket)
    {
        Process = process;
        Mqtt = mqtt;
        WebSocket = webSocket;
    }

    public ProcessHost Process { get; }

    public IPEndPoint Mqtt { get; }

    public IPEndPoint WebSocket { get; }

    /// <param name="proxyProtocol">A PROXY header is demanded of every connection, on both listeners.</param>
    public static async Task<Aedes> StartAsync(bool proxyProtocol)
    {
        var process = NodeScript.Start("broker.mjs", proxyProtocol ? ["proxy"] : []);
        try
        {
            using var line = JsonDocument.Parse(await process.WaitForLineAsync(Event("listening")));
            return new Aedes(
                process,
                new IPEndPoint(IPAddress.Loopback, line.RootElement.GetProperty("mqtt").GetInt32()),
                new IPEndPoint(IPAddress.Loopback, line.RootElement.GetProperty("ws").GetInt32()));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until the client is connected.</summary>
    public async Task<AedesClient> WaitForClientAsync(string id)
    {
        string found = await Process.WaitForLineAsync(line => Event("client")(line) && HasId(line, id));
        return Parse(found);
    }

    public Task WaitForGoneAsync(string id) =>
        Process.WaitForLineAsync(line => Event("gone")(line) && HasId(line, id));

    /// <summary>Waits for a connection that was refused and returns the reason.</summary>
    public async Task<string> WaitForRefusalAsync()
    {
        using var line = JsonDocument.Parse(await Process.WaitForLineAsync(Event("refused")));
        return line.RootElement.GetProperty("reason").GetString()!;
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    private static Func<string, bool> Event(string name) =>
        line => line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal);

    private static bool HasId(string line, string id)
    {
        using var json = JsonDocument.Parse(line);
        return json.RootElement.GetProperty("id").GetString() == id;
    }

    private static AedesClient Parse(string line)
    {
        using var json = JsonDocument.Parse(line);
        var root = json.RootElement;
        return new AedesClient(
            root.GetProperty("id").GetString()!,
            root.GetProperty("version").GetInt32(),
            root.GetProperty("address").GetString()!,
            root.GetProperty("port").GetInt32(),
            root.GetProperty("proxy").GetInt32(),
            root.GetProperty("header").GetString()!,
            root.GetProperty("websocket").GetBoolean(),
            root.GetProperty("headers").EnumerateObject()
                .ToDictionary(p => p.Name, p => p.Value.ToString(), StringComparer.Ordinal));
    }
}
