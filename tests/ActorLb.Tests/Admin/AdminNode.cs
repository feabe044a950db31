using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin;
using ActorLb.Server.Hosting;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tests.Admin;

/// <summary>A node with its admin endpoint in the test process, two brokers that accept everyone, and a client of its API.</summary>
internal sealed class AdminNode : IAsyncDisposable
{
    private readonly TempFolder _folder;
    private readonly NodeLogging _logging;
    private readonly AdminEndpoint _endpoint;

    private AdminNode(
        TempFolder folder, string configuration, FakeBroker one, FakeBroker two, NodeLogging logging, Node node, NodeControl control, AdminEndpoint endpoint)
    {
        _folder = folder;
        _logging = logging;
        _endpoint = endpoint;
        (Configuration, One, Two, Node, Control) = (configuration, one, two, node, control);
        Http = new HttpClient { BaseAddress = new Uri($"http://{endpoint.Address}/api/v1/") };
    }

    public string Configuration { get; }

    /// <summary>Both are backends of the sticky pool <c>emqx</c>, the first of the pool <c>plain</c> too.</summary>
    public FakeBroker One { get; }

    public FakeBroker Two { get; }

    public Node Node { get; }

    public NodeControl Control { get; }

    public HttpClient Http { get; }

    public IPEndPoint Address => _endpoint.Address;

    public AdminEndpoint Endpoint => _endpoint;

    /// <summary>Hears every line of the node from now on.</summary>
    public void Hear(ILoggerProvider provider) => _logging.Factory.AddProvider(provider);

    public IPEndPoint Mqtt => Node.Listeners.Single(l => l.Name == "mqtt").BoundTo!;

    public string this[string file] => _folder[file];

    public static async Task<AdminNode> StartAsync(string? token = null, string more = "", string admin = "")
    {
        var folder = new TempFolder();
        FakeBrokerScript accept = async (connection, stop) =>
        {
            byte[] connect = await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0, ConnectBytes.LevelOf(connect)), stop);
            await connection.ReadToEndAsync(stop);
        };
        FakeBroker one = FakeBroker.Start(accept), two = FakeBroker.Start(accept);
        if (token is not null) admin += $"token-file = \"{folder.Write("token", token + "\n")}\"";
        string path = folder.Write("node.conf", Text(one, two, admin, more));
        var result = ConfigurationLoader.Load(path);
        var options = result.Options ?? throw new ArgumentException(string.Join('\n', result.Errors), nameof(more));
        var logging = new NodeLogging(options.Log);
        var node = new Node(options, logging.Factory, TimeProvider.System);
        var control = new NodeControl(node, logging, path, TimeProvider.System);
        var endpoint = new AdminEndpoint(node, logging, control);
        await endpoint.StartAsync(options.Admin);
        await node.StartAsync();
        return new AdminNode(folder, path, one, two, logging, node, control, endpoint);
    }

    public static string Text(FakeBroker one, FakeBroker two, string admin = "", string more = "") => $$"""
        actorlb {
          node { name = lb-1, workers = 2, pid-file = off, drain-timeout = 1s }
          log.level = error
          admin { bind = "127.0.0.1:0", {{admin}} }
          pools.emqx { balance = sticky, backends = ["{{one.EndPoint}}", "{{two.EndPoint}}"], health.probe = none }
          pools.plain { backends = ["{{one.EndPoint}}"], health.probe = none }
          listeners.mqtt { bind = "127.0.0.1:0", pool = emqx }
          {{more}}
        }
        """;

    /// <summary>A client that was accepted.</summary>
    public async Task<RawClient> ConnectAsync(string clientId, int version = 4)
    {
        var client = await RawClient.ConnectAsync(Mqtt);
        await client.SendAsync(ConnectBytes.Of(version, clientId));
        byte[] answer = await client.ReadAsync(version == 5 ? 5 : 4);
        Assert.Equal([0x20, (byte)(answer.Length - 2), 0, 0], answer[..4]);
        return client;
    }

    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type) => await ReadAsync(await Http.GetAsync(path), type);

    public async Task<T> SendAsync<T>(HttpMethod method, string path, string? body, JsonTypeInfo<T> type) =>
        await ReadAsync(await SendAsync(method, path, body), type);

    /// <param name="asks">Whether the body may be sent is asked for before it is.</param>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? body = null, bool asks = false)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.ExpectContinue = asks;
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        return await Http.SendAsync(request);
    }

    /// <summary>The error of an answer, which has to have the status.</summary>
    public static async Task<AdminError> ErrorAsync(HttpStatusCode status, HttpResponseMessage response)
    {
        using (response)
        {
            string text = await response.Content.ReadAsStringAsync();
            Assert.Equal((status, text), (response.StatusCode, text));
            Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
            return JsonSerializer.Deserialize(text, AdminJson.Requests.AdminError)!;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _endpoint.DisposeAsync();
        await Control.EndAsync();
        await Node.DisposeAsync();
        await One.DisposeAsync();
        await Two.DisposeAsync();
        _logging.Dispose();
        _folder.Dispose();
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type)
    {
        using (response)
        {
            string text = await response.Content.ReadAsStringAsync();
            Assert.True(response.IsSuccessStatusCode, text);
            return JsonSerializer.Deserialize(text, type)!;
        }
    }
}
