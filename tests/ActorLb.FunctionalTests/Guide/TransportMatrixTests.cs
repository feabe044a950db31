using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Hosting;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Guide;

/// <summary>A broker with TCP and WebSocket, and a node with a listener for every way to it; one for all tests of the matrix.</summary>
public sealed class TransportMatrix : IAsyncLifetime
{
    public static readonly string[] Transports = ["tcp", "tls", "mtls", "ws", "wss"];

    private TestCertificates _ca = null!;

    internal Mosquitto Broker { get; private set; } = null!;

    internal MqttJs Js { get; private set; } = null!;

    internal TestNode Node { get; private set; } = null!;

    internal TestCertificate Server { get; private set; } = null!;

    internal TestCertificate Device { get; private set; } = null!;

    internal string Ca => _ca.CaPath;

    public async ValueTask InitializeAsync()
    {
        _ca = new TestCertificates();
        Server = _ca.Server(["localhost", "127.0.0.1"]);
        Device = _ca.Client("CN=device-7", serial: [0x0A, 0xBC, 0x01]);
        Broker = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(), new(WebSocket: true)] });
        Js = await MqttJs.StartAsync();
        Node = await TestNode.StartTextAsync($$"""
            actorlb {
              node { name = test, workers = 2, pid-file = off }
              pools.tcp { backends = ["{{Broker.EndPoints[0]}}"], health.probe = none }
              pools.ws { backends = ["{{Broker.EndPoints[1]}}"], health.probe = none, websocket { path = "/mqtt" } }
              {{string.Join('\n', from transport in Transports from pool in new[] { "tcp", "ws" } from rewrite in new[] { false, true } select Listener(transport, pool, rewrite))}}
            }
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        await Js.DisposeAsync();
        await Broker.DisposeAsync();
        _ca.Dispose();
    }

    internal static string NameOf(string transport, string pool, bool rewrite) => $"{transport}-{pool}-{(rewrite ? "rewritten" : "asis")}";

    internal MqttJsConnect Connect(string transport, string pool, bool rewrite, int version, string id)
    {
        var (scheme, path) = transport switch
        {
            "tcp" => ("mqtt", ""),
            "ws" => ("ws", "/mqtt"),
            "wss" => ("wss", "/mqtt"),
            _ => ("mqtts", ""),
        };
        var certificate = transport == "mtls" ? Device : null;
        return new MqttJsConnect
        {
            Url = MqttJsConnect.Address(scheme, Node.Of(NameOf(transport, pool, rewrite)), path),
            ClientId = id,
            Version = version,
            Ca = scheme is "mqtts" or "wss" ? Ca : null,
            Certificate = certificate?.CertificatePath,
            Key = certificate?.KeyPath,
        };
    }

    private string Listener(string transport, string pool, bool rewrite)
    {
        var text = new StringBuilder($"listeners.{NameOf(transport, pool, rewrite)} {{ bind = \"127.0.0.1:0\", pool = {pool}\n");
        if (transport is "tls" or "mtls" or "wss")
        {
            text.Append($"tls {{ certificate = \"{Server.CertificatePath}\", key = \"{Server.KeyPath}\"");
            if (transport == "mtls")
                text.Append($", client-ca = \"{Ca}\", verify-client = on");
            text.Append(" }\n");
        }

        if (transport is "ws" or "wss")
            text.Append("websocket { path = \"/mqtt\" }\n");
        if (rewrite)
            text.Append($"rewrite {{ client-id = \"{(transport == "mtls" ? "$ssl_client_serial" : "$remote_addr")}-$mqtt_preread_clientid\" }}\n");
        return text.Append('}').ToString();
    }
}

public sealed class TransportMatrixTests(TransportMatrix matrix) : IClassFixture<TransportMatrix>
{
    public static TheoryData<int, string, string, bool> Rows()
    {
        var rows = new TheoryData<int, string, string, bool>();
        foreach (string transport in TransportMatrix.Transports)
        {
            foreach (string? pool in new[] { "tcp", "ws" })
            {
                foreach (int version in new[] { 3, 4, 5 })
                {
                    rows.Add(version, transport, pool, false);
                    rows.Add(version, transport, pool, true);
                }
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Client_OfVersionOverTransportToBackend_PublishesSubscribesAndLeaves(int version, string transport, string pool, bool rewrite)
    {
        string id = $"{version}{transport}{pool}{(rewrite ? "r" : "")}";
        var client = await matrix.Js.ConnectAsync(matrix.Connect(transport, pool, rewrite, version, id));
        string known = !rewrite ? id : transport == "mtls" ? $"0ABC01-{id}" : $"127.0.0.1-{id}";
        Assert.Equal(version, (await matrix.Broker.WaitForClientAsync(known)).Version);

        Assert.Equal(1, await client.SubscribeAsync($"t/{id}", qos: 1));
        await client.PublishAsync($"t/{id}", "first", qos: 1);
        // Over WebSocket mosquitto takes two seconds for a message that is larger than its buffer.
        byte[] large = new byte[pool == "ws" ? 3_000 : 70_000];
        await client.PublishAsync($"t/{id}", large, qos: 1);
        var first = await client.NextMessageAsync();
        Assert.Equal(("first", 1), (first.Text, first.Qos));
        Assert.Equal(large, (await client.NextMessageAsync()).Payload);

        await client.EndAsync();
        string gone = await matrix.Broker.Process.WaitForLineAsync(l => l.Contains($": Client {known} ", StringComparison.Ordinal));
        Assert.EndsWith($"Client {known} disconnected.", gone, StringComparison.Ordinal);
    }
}
