using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ActorLb.Hosting;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Guide;

/// <summary>A file of <c>hocon/</c> in force: its hosts are brokers of the test, its ports free ones, all else as it is written.</summary>
internal sealed partial class RunningExample : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly TestCertificates _ca = new();
    private readonly List<IAsyncDisposable> _running = [];

    private RunningExample(string name) => Name = name;

    public string Name { get; }

    public IPEndPoint Listener { get; private set; } = null!;

    public ActorLbProcess Node { get; private set; } = null!;

    public MqttJs Js { get; private set; } = null!;

    public TestCertificate Device { get; private set; } = null!;

    /// <summary>In the order of the file; those that read PROXY headers are in <see cref="ProxyBrokers"/> instead.</summary>
    public List<Mosquitto> Brokers { get; } = [];

    public List<Aedes> ProxyBrokers { get; } = [];

    public bool HasTls { get; private set; }

    public bool HasWebSocket { get; private set; }

    public static async Task<RunningExample> StartAsync(string name)
    {
        var example = new RunningExample(name);
        try
        {
            await example.StartAsync();
            return example;
        }
        catch
        {
            await example.DisposeAsync();
            throw;
        }
    }

    public MqttJsConnect Client(string id, bool certificate = true)
    {
        string scheme = (HasWebSocket, HasTls) switch { (true, true) => "wss", (true, _) => "ws", (_, true) => "mqtts", _ => "mqtt" };
        var connect = new MqttJsConnect
        {
            Url = MqttJsConnect.Address(scheme, Listener, HasWebSocket ? "/mqtt" : ""),
            ClientId = id,
            Ca = HasTls ? _ca.CaPath : null,
            Certificate = HasTls && certificate ? Device.CertificatePath : null,
            Key = HasTls && certificate ? Device.KeyPath : null,
        };
        return HasWebSocket
            ? connect with { Options = new JsonObject { ["wsOptions"] = new JsonObject { ["headers"] = new JsonObject { ["Host"] = "mqtt.example.com" } } } }
            : connect;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var running in Enumerable.Reverse(_running))
            await running.DisposeAsync();
        _ca.Dispose();
        _folder.Dispose();
    }

    private async Task StartAsync()
    {
        string text = await File.ReadAllTextAsync(RepositoryRoot.File("hocon", Name + ".conf"));
        HasTls = text.Contains("tls {", StringComparison.Ordinal);
        HasWebSocket = text.Contains("websocket {", StringComparison.Ordinal);
        text = await WithBrokersAsync(text);
        Listener = Ports.FreeEndPoint();
        var admin = Ports.FreeEndPoint();
        text = AnyBind().Replace(text, $"bind = \"{Listener}\"");
        // Addresses of a network that this machine is not in.
        text = text.Replace("10.211.55.", "127.0.0.", StringComparison.Ordinal);
        WriteCertificates();
        string file = _folder.Write("example.conf", $$"""
            {{text}}
            actorlb.node { data-dir = "data", pid-file = off, workers = 1 }
            actorlb.admin.bind = "{{admin}}"

            """);
        Node = Keep(await ActorLbProcess.StartAsync(file, admin, new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ACTORLB_PORT"] = Listener.Port.ToString(),
            ["ACTORLB_ADMIN_PORT"] = admin.Port.ToString(),
        }));
        Js = Keep(await MqttJs.StartAsync());
    }

    private async Task<string> WithBrokersAsync(string text)
    {
        bool reads = text.Contains("proxy-protocol = v", StringComparison.Ordinal);
        foreach (string? address in AnyBroker().Matches(text).Select(m => m.Value).Distinct().ToArray())
        {
            IPEndPoint endPoint;
            if (reads)
            {
                ProxyBrokers.Add(Keep(await Aedes.StartAsync(proxyProtocol: true)));
                endPoint = ProxyBrokers[^1].Mqtt;
            }
            else
            {
                Brokers.Add(Keep(await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(), new(WebSocket: true)] })));
                endPoint = Brokers[^1].EndPoints[address.EndsWith(":8083", StringComparison.Ordinal) ? 1 : 0];
            }

            text = text.Replace(address, endPoint.ToString(), StringComparison.Ordinal);
        }

        return text;
    }

    private void WriteCertificates()
    {
        var server = _ca.Server(["localhost", "127.0.0.1", "mqtt.example.com"]);
        Device = _ca.Client("CN=device-7", serial: [0x0A, 0xBC, 0x01]);
        _folder.Write("certs/emqx.pem", File.ReadAllText(server.CertificatePath));
        _folder.Write("certs/emqx.key", File.ReadAllText(server.KeyPath));
        foreach (string? ca in new[] { "certs/ca.pem", "certs/ca.crt" })
            _folder.Write(ca, File.ReadAllText(_ca.CaPath));
    }

    private T Keep<T>(T running)
        where T : IAsyncDisposable
    {
        _running.Add(running);
        return running;
    }

    [GeneratedRegex("""(emqx\d-cluster\.emqx\.io:\d+|10\.0\.0\.113:1883|127\.0\.0\.1:188[4-6])""")]
    private static partial Regex AnyBroker();

    [GeneratedRegex("""bind = "(0\.0\.0\.0:\d+"|127\.0\.0\.1:"\$\{port\})""")]
    private static partial Regex AnyBind();
}
