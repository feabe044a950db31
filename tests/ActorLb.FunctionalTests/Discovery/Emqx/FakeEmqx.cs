using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using ActorLb.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Discovery.Emqx;

/// <summary>
/// A fake of the REST API of EMQX 5 in the test process. Its answers have the shape that EMQX's documentation and the schemas of its API
/// give them; they were not recorded from an EMQX.
/// </summary>
internal sealed class FakeEmqx : IAsyncDisposable
{
    public const string Key = "4f33d24d7b8e448d:gwtbmFJZrnzUu8mPK1BxUkBA66PygETiDEegkf1q8dD";

    private readonly WebApplication _app;
    private readonly TempFolder _folder = new();

    private FakeEmqx(WebApplication app) => _app = app;

    /// <summary>Such as "http://127.0.0.1:18083".</summary>
    public string Url { get; private set; } = "";

    public string KeyFile { get; private set; } = "";

    /// <summary>Nodes by their hosts, and what EMQX says of each.</summary>
    public ConcurrentDictionary<string, string> Nodes { get; } = new();

    /// <summary>The answer to global_status; null is an EMQX without evacuation.</summary>
    public volatile string? Status = """{"evacuations":[],"purges":[],"rebalances":[]}""";

    /// <summary>All clients: id and host of the node.</summary>
    public volatile (string Id, string Host)[] Clients = [];

    /// <summary>Answers instead, when it returns true.</summary>
    public volatile Func<HttpContext, Task<bool>>? Instead;

    /// <summary>Paths and queries, in the order of their arrival.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <param name="certificate">For https.</param>
    public static async Task<FakeEmqx> StartAsync(TestCertificate? certificate = null, params string[] hosts)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l =>
        {
            if (certificate is not null) l.UseHttps(X509Certificate2.CreateFromPemFile(certificate.CertificatePath, certificate.KeyPath));
        }));
        var fake = new FakeEmqx(builder.Build());
        fake._app.Run(fake.AnswerAsync);
        await fake._app.StartAsync();
        fake.Url = fake._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        fake.KeyFile = fake._folder.Write("emqx.key", $"# of the test\n{Key}:viewer\n");
        foreach (string host in hosts) fake.Nodes[host] = "running";
        return fake;
    }

    /// <summary>A pool's <c>backends</c>.</summary>
    /// <param name="more">Further settings of the block <c>emqx</c>.</param>
    public string Backends(int port, string more = "", params string[] deadApis) => $$"""
        backends { emqx { api = [{{string.Join(", ", deadApis.Append(Url).Select(u => $"\"{u}\""))}}], key-file = "{{KeyFile}}"
        {{more}} }
        port = {{port}}, interval = 1s }

        """;

    /// <summary>A status in which the node of one host is evacuated.</summary>
    public static string Evacuating(string host) => $$$"""
        {"evacuations":[{"node":"emqx@{{{host}}}","state":"evicting_conns","connection_eviction_rate":500,"session_eviction_rate":500,"connection_goal":0,
        "session_goal":0,"session_recipients":["emqx@10.9.9.9"],"stats":{"initial_connected":2,"current_connected":1,"initial_sessions":2,"current_sessions":1}}],
        "purges":[],"rebalances":[]}
        """;

    /// <summary>A status in which clients of one host's node are sent to another's; a third coordinates.</summary>
    public static string Rebalancing(string donor, string recipient) => $$$"""
        {"evacuations":[],"purges":[],"rebalances":[{"node":"emqx@10.9.9.9","coordinator_node":"emqx@10.9.9.9","state":"evicting_conns","donors":["emqx@{{{donor}}}"],
        "recipients":["emqx@{{{recipient}}}"],"donor_conn_avg":10,"connection_eviction_rate":500,"session_eviction_rate":500}]}
        """;

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _folder.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        Requests.Enqueue(context.Request.Path + context.Request.QueryString);
        if (Instead is { } instead && await instead(context)) return;
        if (context.Request.Headers.Authorization != "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes(Key)))
        {
            await SendAsync(context, 401, """{"code":"BAD_API_KEY_OR_SECRET","message":"Check api_key/api_secret"}""");
            return;
        }
        string? body = context.Request.Path.Value switch
        {
            "/api/v5/nodes" => NodeList(),
            "/api/v5/load_rebalance/global_status" => Status,
            "/api/v5/clients" => Page(context.Request.Query),
            _ => null,
        };
        await (body is null
            ? SendAsync(context, 404, """{"code":"API_NOT_FOUND","message":"Request Path Not Found"}""")
            : SendAsync(context, 200, body));
    }

    private string NodeList() => JsonSerializer.Serialize(Nodes.OrderByDescending(n => n.Key).Select(n => n.Value == "running"
        ? (object)new
        {
            node = $"emqx@{n.Key}",
            node_status = n.Value,
            connections = 3,
            live_connections = 2,
            version = "5.8.4",
            edition = "Enterprise",
            role = "core",
            uptime = 5120000L,
            load1 = 0.1,
            memory_total = "512.00M",
            otp_release = "26.2.5.2-2/14.2.5.2",
            log_path = "/opt/emqx/log",
        }
        : new { node = $"emqx@{n.Key}", node_status = n.Value, role = "core" }));

    private string Page(IQueryCollection query)
    {
        int page = int.Parse(query["page"]!), limit = int.Parse(query["limit"]!);
        Assert.InRange(limit, 1, 10_000);
        Assert.Equal("clientid,node", query["fields"]);
        var all = Clients;
        return JsonSerializer.Serialize(new
        {
            data = all.Skip((page - 1) * limit).Take(limit).Select(c => new { clientid = c.Id, node = $"emqx@{c.Host}" }),
            meta = new { page, limit, hasnext = page * limit < all.Length, count = all.Length },
        });
    }

    public static async Task SendAsync(HttpContext context, int status, string body, string type = "application/json")
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        await context.Response.WriteAsync(body);
    }
}
