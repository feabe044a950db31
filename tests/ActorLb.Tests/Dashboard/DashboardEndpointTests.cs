using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin;
using ActorLb.Server.Admin.Api;
using ActorLb.Server.Dashboard;
using ActorLb.Testing;
using ActorLb.Tests.Admin;
using Microsoft.AspNetCore.Routing;

namespace ActorLb.Tests.Dashboard;

/// <summary>What the endpoint serves for the dashboard: files for everyone, the fleet and its changes for those with the token.</summary>
public sealed class DashboardEndpointTests
{
    [Fact]
    public async Task Page_NeedsNoToken_HoldsNothingInline_AndIsSmall()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        using var page = await node.Http.GetAsync("/");
        string html = await page.Content.ReadAsStringAsync();
        long size = html.Length;
        string[] files = [.. Regex.Matches(html, "(?:href|src)=\"([^\"#]+)\"").Select(m => m.Groups[1].Value).Distinct()];
        Assert.Contains("/dashboard/app.js", files);
        Assert.All(files, f => Assert.StartsWith("/dashboard/", f, StringComparison.Ordinal));
        Assert.DoesNotMatch("<style|style=|<script(?! type=\"module\" src=)| on[a-z]+=", html);
        foreach (string file in files)
        {
            using var part = await node.Http.GetAsync(file);
            string text = await part.Content.ReadAsStringAsync();
            size += text.Length;
            AssertGuarded(part);
            // The one way in which a name could become markup.
            Assert.DoesNotMatch("innerHTML|outerHTML|insertAdjacentHTML|document\\.write|eval\\(|new Function|https?://(?!www\\.w3\\.org/)", text);
            foreach (Match import in Regex.Matches(text, "from '\\./([a-z]+\\.js)'")) Assert.Contains("/dashboard/" + import.Groups[1].Value, files);
        }
        AssertGuarded(page);
        Assert.InRange(size, 1, 100_000);
    }

    [Fact]
    public async Task Files_ArePacked_AndNotSentAgain()
    {
        await using var node = await AdminNode.StartAsync();
        using var plain = await node.Http.GetAsync("/dashboard/app.js");
        byte[] text = await plain.Content.ReadAsByteArrayAsync();
        using var asking = new HttpRequestMessage(HttpMethod.Get, "/dashboard/app.js");
        asking.Headers.AcceptEncoding.ParseAdd("gzip, br");
        using var packed = await node.Http.SendAsync(asking);
        Assert.Equal("gzip", Assert.Single(packed.Content.Headers.ContentEncoding));
        using var unpacked = new MemoryStream();
        await new GZipStream(await packed.Content.ReadAsStreamAsync(), CompressionMode.Decompress).CopyToAsync(unpacked);
        Assert.Equal(text, unpacked.ToArray());
        Assert.NotEqual(plain.Headers.ETag, packed.Headers.ETag);

        using var again = new HttpRequestMessage(HttpMethod.Get, "/dashboard/app.js");
        again.Headers.IfNoneMatch.Add(plain.Headers.ETag!);
        using var unchanged = await node.Http.SendAsync(again);
        Assert.Equal((HttpStatusCode.NotModified, 0), (unchanged.StatusCode, (await unchanged.Content.ReadAsByteArrayAsync()).Length));
        using var head = await node.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/"));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
    }

    [Theory]
    [InlineData("/dashboard/")]
    [InlineData("/dashboard/..%2f..%2fetc/passwd")]
    [InlineData("/dashboard/../status")]
    [InlineData("/index.html")]
    [InlineData("/DASHBOARD/app.js")]
    public async Task OtherPaths_WantTheToken(string path)
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        // HttpClient would shorten the path itself.
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(node.Address);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {node.Address}\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(new NetworkStream(socket));
        Assert.StartsWith("HTTP/1.1 401 ", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }

    /// <summary>Whatever the API will be able to do: no change without the token, from a page of another site, or by following a link.</summary>
    [Fact]
    public async Task EveryChange_WithoutToken_FromAnotherOrigin_OrByGet_IsRefused()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        var all = node.Endpoint.Routes.SelectMany(r => r.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.Select(m => (Path: r.RoutePattern.RawText!, Method: m))).ToArray();
        var changes = all.Where(r => r.Method is not ("GET" or "HEAD")).ToArray();
        Assert.True(changes.Length >= 15);
        Assert.All(changes, c => Assert.StartsWith(ApiRoutes.Prefix, c.Path, StringComparison.Ordinal));
        foreach ((string pattern, string method) in changes)
        {
            string path = pattern.Replace("{backend}", node.Two.EndPoint.ToString(), StringComparison.Ordinal).Replace("{listener}", "mqtt", StringComparison.Ordinal);
            Assert.Equal((path, HttpStatusCode.Unauthorized), (path, await AskAsync(node, method, path)));
            Assert.Equal((path, HttpStatusCode.Forbidden), (path, await AskAsync(node, method, path, "s3cret", "http://evil.example")));
            Assert.Equal((path, HttpStatusCode.Forbidden), (path, await AskAsync(node, method, path, "s3cret", "null")));
            if (all.Contains((pattern, "GET"))) continue;
            Assert.Equal((path, HttpStatusCode.MethodNotAllowed), (path, await AskAsync(node, "GET", path, "s3cret")));
        }
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(node, "GET", ApiRoutes.Prefix + StatisticsApi.StreamPath));
        Assert.True(node.Node.IsReady && node.Node.Listeners.All(l => !l.Paused));
    }

    [Fact]
    public async Task Stream_SendsASnapshot_ThenTheHistory_ThenSnapshots_WhileSomebodyLooks()
    {
        await using var node = await AdminNode.StartAsync();
        using var client = await node.ConnectAsync("<img src=x onerror=alert(1)>");
        using (var answer = await OpenAsync(node))
        {
            Assert.Equal(("text/event-stream", "no-store"), (answer.Content.Headers.ContentType!.ToString(), answer.Headers.CacheControl!.ToString()));
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
            (string first, var snapshot) = await ReadAsync(reader);
            (string second, var history) = await ReadAsync(reader);
            (string third, var next) = await ReadAsync(reader);
            Assert.Equal(("snapshot", "history", "snapshot"), (first, second, third));
            var own = Assert.Single(snapshot.GetProperty("nodes").EnumerateArray());
            Assert.Equal(("lb-1", "up", 1), (own.GetProperty("name").GetString(), own.GetProperty("state").GetString(), own.GetProperty("connections").GetInt32()));
            Assert.Equal(["emqx", "plain"], snapshot.GetProperty("pools").EnumerateArray().Select(p => p.GetProperty("name").GetString()));
            Assert.Equal(1, snapshot.GetProperty("pools")[0].GetProperty("backends").EnumerateArray().Sum(b => b.GetProperty("connections").GetInt32()));
            Assert.Equal("mqtt", own.GetProperty("listeners")[0].GetProperty("name").GetString());
            Assert.Equal(5, history.GetProperty("step").GetDouble());
            Assert.Equal(JsonValueKind.Number, next.GetProperty("nodes")[0].GetProperty("cpu").ValueKind);
        }
        // Within a period of the last viewer's end nothing is asked any more. Nothing tells of that but time.
        await Wait.UntilAsync(() => node.Endpoint.Feed.Viewers == 0);
        await Task.Delay(StatisticsFeed.Period);
        long asked = node.Endpoint.Feed.Samples;
        await Task.Delay(2.5 * StatisticsFeed.Period);
        Assert.Equal(asked, node.Endpoint.Feed.Samples);
    }

    [Fact]
    public async Task Viewers_ShareOneSampling_AreBounded_AndOneThatStallsKeepsNobody()
    {
        await using var node = await AdminNode.StartAsync();
        long before = node.Endpoint.Feed.Samples;
        var viewers = await Task.WhenAll(Enumerable.Range(0, StatisticsFeed.MostViewers).Select(_ => OpenAsync(node)));
        Assert.Equal(HttpStatusCode.Conflict, (await OpenAsync(node)).StatusCode);
        // All but one read nothing.
        using var reader = new StreamReader(await viewers[0].Content.ReadAsStreamAsync());
        for (int i = 0; i < 4; i++) await ReadAsync(reader);
        Assert.InRange(node.Endpoint.Feed.Samples - before, 1, 8);
        foreach (var viewer in viewers) viewer.Dispose();
        await Wait.UntilAsync(() => node.Endpoint.Feed.Viewers == 0);
        Assert.Equal(HttpStatusCode.OK, (await OpenAsync(node)).StatusCode);
    }

    /// <summary>A stream never ends: it must not hold one of the few places for answers, however its path is written.</summary>
    [Theory]
    [InlineData(StatisticsApi.StreamPath + "/")]
    [InlineData("CLUSTER/Statistics")]
    [InlineData(ClusterApi.EventsPath + "/")]
    public async Task Streams_TakeNoPlaceOfAnAnswer(string path)
    {
        await using var node = await AdminNode.StartAsync();
        var streams = await Task.WhenAll(
            Enumerable.Range(0, AdminEndpoint.MostAnswers).Select(_ => node.Http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead)));
        Assert.All(streams, s => Assert.Equal(HttpStatusCode.OK, s.StatusCode));
        Assert.Equal("lb-1", (await node.GetAsync("node", AdminJson.Wire.NodeInfo)).Name);
        Assert.Contains("\nactorlb_admin_connections_closed_total 0\n", await node.Http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        foreach (var stream in streams) stream.Dispose();
    }

    private static void AssertGuarded(HttpResponseMessage answer)
    {
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            Assert.Single(answer.Headers.GetValues("Content-Security-Policy")));
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
        Assert.NotNull(answer.Headers.ETag);
    }

    private static async Task<HttpStatusCode> AskAsync(AdminNode node, string method, string path, string? token = null, string? origin = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (origin is not null) request.Headers.Add("Origin", origin);
        using var answer = await node.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return answer.StatusCode;
    }

    private static Task<HttpResponseMessage> OpenAsync(AdminNode node) =>
        node.Http.GetAsync(StatisticsApi.StreamPath, HttpCompletionOption.ResponseHeadersRead).WaitAsync(Wait.Patience);

    private static async Task<(string Name, JsonElement Data)> ReadAsync(StreamReader reader)
    {
        string? name = await reader.ReadLineAsync().WaitAsync(Wait.Patience);
        string? data = await reader.ReadLineAsync().WaitAsync(Wait.Patience);
        Assert.Equal("", await reader.ReadLineAsync().WaitAsync(Wait.Patience));
        return (name!["event: ".Length..], JsonElement.Parse(data!["data: ".Length..]));
    }
}
