using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

/// <summary>The admin endpoint held by others: probes and operators are answered all the same.</summary>
[Collection(AloneCollection.Name)]
public sealed class CrowdedEndpointTests
{
    [Theory]
    [InlineData("")]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: loc")]
    [InlineData("POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nactor")]
    [InlineData("POST /api/v1/sessions/kick?client=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nactor")]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    public async Task Connections_AThousandThatDoNotGoOn_KeepNobodyOut(string sent)
    {
        await using var node = await AdminNode.StartAsync();
        var stalled = await HoldAsync(node.Address, 1_000, sent);
        foreach (string path in new[] { "/healthz", "/readyz", "/metrics", "/api/v1/node", "/api/v1/sessions" })
        {
            // A connection of its own, as a probe has.
            using var probe = new HttpClient { Timeout = Wait.Patience };
            using var answer = await probe.GetAsync($"http://{node.Address}{path}");
            Assert.Equal((path, HttpStatusCode.OK), (path, answer.StatusCode));
        }
        string metrics = await node.Http.GetStringAsync("/metrics");
        Assert.Matches("\nactorlb_admin_connections ([0-9]|[0-9][0-9]|1[0-2][0-9])\n", metrics);
        Assert.Matches("\nactorlb_admin_connections_closed_total [1-9]", metrics);
        stalled.ForEach(s => s.Dispose());
    }

    /// <summary>All places are held by requests whose bodies do not come, and silent connections come without end.</summary>
    [Fact]
    public async Task Connections_BusyOnesAndAFlood_KeepNobodyOut_NorEndARequestUnderWay()
    {
        await using var node = await AdminNode.StartAsync();
        using var events = await node.Http.GetAsync("cluster/events", HttpCompletionOption.ResponseHeadersRead);
        var held = await HoldAsync(
            node.Address, 200, "POST /api/v1/sessions/kick?client=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nactor");
        for (int round = 0; round < 20; round++)
        {
            held.AddRange(await HoldAsync(node.Address, 50, ""));
            using var probe = new HttpClient { Timeout = Wait.Patience };
            Assert.Equal("ok\n", await probe.GetStringAsync($"http://{node.Address}/healthz"));
        }
        node.Node.Events.Publish("seen", "still");
        using var reader = new StreamReader(await events.Content.ReadAsStreamAsync());
        Assert.Contains("still", await reader.ReadLineAsync().WaitAsync(Wait.Patience), StringComparison.Ordinal);
        held.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task Connections_OfTlsThatDoNotBegin_KeepNobodyOut()
    {
        using var folder = new TempFolder();
        using var authority = new ServiceAuthority(folder.Path, "ca");
        (string certificate, string key) = authority.Issue("node");
        await using var node = await AdminNode.StartAsync(admin: $"tls {{ certificate = \"{certificate}\", key = \"{key}\" }}");
        var stalled = await HoldAsync(node.Address, 1_000, "");
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(authority.CertificateFile) },
        };
        using var probe = new HttpClient(handler) { Timeout = Wait.Patience };
        Assert.Equal("ok\n", await probe.GetStringAsync($"https://{node.Address}/healthz"));
        stalled.ForEach(s => s.Dispose());
    }

    /// <summary>Whoever asks and does not read holds an answer; the slowest goes when another wants its place.</summary>
    [Fact]
    public async Task Answers_ThatNobodyReads_KeepNobodyOut()
    {
        await using var node = await AdminNode.StartAsync();
        await using var clients = new LongClients(node);
        await clients.ConnectAsync(12);
        string request = "GET /api/v1/sessions?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        var silent = await HoldAsync(node.Address, 40, string.Concat(Enumerable.Repeat(request, 20)), receiveBuffer: 4096);
        using var probe = new HttpClient { Timeout = Wait.Patience };
        Assert.Equal("ok\n", await probe.GetStringAsync($"http://{node.Address}/healthz"));
        using var answer = await probe.GetAsync($"http://{node.Address}/api/v1/node");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        silent.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task Page_OfLongIds_IsBoundedInBytes_AndAllAreTold()
    {
        await using var node = await AdminNode.StartAsync();
        await using var clients = new LongClients(node);
        await clients.ConnectAsync(20);
        var seen = new List<string>();
        string? after = null;
        do
        {
            using var response = await node.Http.GetAsync($"sessions?limit=1000{(after is null ? "" : $"&after={after}")}");
            byte[] json = await response.Content.ReadAsByteArrayAsync();
            // Every byte of these ids is six in JSON.
            Assert.InRange(json.Length, 1, 2_200_000);
            var page = System.Text.Json.JsonSerializer.Deserialize(json, AdminJson.Wire.SessionPage)!;
            seen.AddRange(page.Sessions.Select(s => s.ClientId!));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(clients.Ids.Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));

        var found = await node.GetAsync($"sessions/find?client={Uri.EscapeDataString(clients.Ids[0])}", AdminJson.Wire.SessionPage);
        Assert.Equal(clients.Ids[0], Assert.Single(found.Sessions).ClientId);
    }

    [Fact]
    public async Task Bodies_OfRequestsThatNeedFew_AreBounded()
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(
            HttpStatusCode.RequestEntityTooLarge, await node.SendAsync(HttpMethod.Put, "sticky?client=x", "{\"backend\":\"" + new string('a', 70_000) + "\"}"));
        Assert.Equal(AdminErrors.TooLarge, error.Error);
    }

    [Fact]
    public async Task Configurations_ManyAreChecked_SomeAreAskedToComeAgain()
    {
        await using var node = await AdminNode.StartAsync();
        // Bodies that do not come hold the places of checks, not those of others. 100 says that the body is being read.
        var slow = await HoldAsync(
            node.Address, 4, "POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n");
        foreach (var socket in slow) Assert.True(await socket.ReceiveAsync(new byte[100]) > 0);
        await AdminNode.ErrorAsync(HttpStatusCode.ServiceUnavailable, await node.SendAsync(HttpMethod.Post, "config/check", ""));
        Assert.Equal(HttpStatusCode.OK, (await node.SendAsync(HttpMethod.Post, "listeners/mqtt/pause")).StatusCode);
        slow.ForEach(s => s.Dispose());
    }

    /// <summary>DNS may name a backend anything.</summary>
    [Fact]
    public void Metrics_OfAHostileLabel_StayOneLineEach()
    {
        var writer = new PrometheusWriter();
        writer.Sample("m", 1, ("backend", "a\"} 2\nm{b=\"c\\"));
        Assert.Equal("m{backend=\"a\\\"} 2\\nm{b=\\\"c\\\\\"} 1\n", writer.ToString());
    }

    private static async Task<List<Socket>> HoldAsync(IPEndPoint server, int count, string sent, int receiveBuffer = 0)
    {
        var held = new List<Socket>();
        byte[] bytes = Encoding.ASCII.GetBytes(sent);
        for (int i = 0; i < count; i++)
        {
            var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (receiveBuffer > 0) socket.ReceiveBufferSize = receiveBuffer;
            await socket.ConnectAsync(server);
            if (bytes.Length > 0) await socket.SendAsync(bytes);
            held.Add(socket);
        }
        return held;
    }
}
