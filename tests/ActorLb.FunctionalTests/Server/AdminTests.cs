using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using ActorLb.Proxying;
using ActorLb.Server.Admin;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Server;

public sealed partial class AdminTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Status_Text_IsThatOfStubStatus()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var silent = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker),
            more: $"pools.silent {{ {TestNode.Backends(silent)}, health.probe = none }}, listeners.silent {{ bind = \"127.0.0.1:0\", pool = silent }}");
        using var one = await node.OpenAsync("one");
        using var two = await node.OpenAsync("two");
        using var waits = await RawClient.ConnectAsync(node.Of("silent"));
        await waits.SendAsync(ConnectBytes.V311("waits"));
        await (await silent.NextConnectionAsync()).WaitForReceivedAsync(1);
        using var reads = await node.DialAsync();
        await node.AskAsync(ConnectBytes.Publish("not", "a CONNECT"u8));
        await node.UntilClosedAsync(CloseReason.BadConnect);
        await node.UntilAsync(() => node.Sum(c => Volatile.Read(ref c.Reading)) == 1 && node.Sum(c => Volatile.Read(ref c.Relaying)) == 2);
        Assert.Equal(
            "Active connections: 4 \nserver accepts handled requests\n 5 3 3 \nReading: 1 Writing: 1 Waiting: 2 \n",
            StatusPage.Render(node.Node));
    }

    [Fact]
    public async Task Metrics_Page_ParsesAndTellsWhatHappened()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("some-client");
        await client.SendAsync(ConnectBytes.Publish("t", "x"u8));
        await client.ReadAsync(6);
        await node.AskAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        await node.UntilClosedAsync(CloseReason.BadConnect);
        await node.UntilAsync(() => node.Sum(c => Volatile.Read(ref c.PacketsFromBackends)) == 2);

        var samples = Parse(MetricsPage.Render(node.Node));
        var backend = $"pool=\"p\",backend=\"{broker.EndPoint}\"";
        Assert.Equal(2, samples["actorlb_connections_accepted_total"]);
        Assert.Equal(1, samples["actorlb_connects_total"]);
        Assert.Equal(1, samples["actorlb_connections_active{state=\"established\"}"]);
        Assert.Equal(1, samples["actorlb_connections_rejected_total{reason=\"bad_connect\"}"]);
        Assert.Equal(1, samples["actorlb_listener_connections{listener=\"mqtt\"}"]);
        Assert.Equal(1, samples[$"actorlb_backend_connections{{{backend}}}"]);
        Assert.Equal(1, samples[$"actorlb_backend_up{{{backend}}}"]);
        var connect = ConnectBytes.V311("some-client").Length;
        Assert.Equal(connect + 6, samples[$"actorlb_backend_sent_bytes_total{{{backend}}}"]);
        Assert.Equal(connect + 6, samples["actorlb_bytes_total{direction=\"from_clients\"}"]);
        Assert.Equal(10, samples["actorlb_bytes_total{direction=\"from_backends\"}"]);
        Assert.Equal(10, samples[$"actorlb_backend_received_bytes_total{{{backend}}}"]);
        Assert.Equal(1, samples["actorlb_dial_seconds_count"]);
        Assert.Equal(1, samples["actorlb_connack_seconds_bucket{le=\"+Inf\"}"]);
        Assert.Equal(2, samples["actorlb_packets_total{direction=\"from_clients\"}"]);
        Assert.Contains("actorlb_reactor_busy_seconds_total{reactor=\"0\"}", samples.Keys);
        Assert.DoesNotContain(samples.Keys, k => k.Contains("some-client", StringComparison.Ordinal) || k.Contains(client.Local.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Admin_Endpoint_ServesAndTellsOfTheDrain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var client = await files.OpenAsync("one");
        Assert.Equal("ok\n", await node.Admin.GetStringAsync(new Uri("healthz", UriKind.Relative), Cancel));
        Assert.Equal("ready\n", await node.Admin.GetStringAsync(new Uri("readyz", UriKind.Relative), Cancel));
        // The client has its CONNACK a moment before its session counts as established.
        await client.SendAsync("more"u8.ToArray());
        await client.ReadAsync(4);
        using var status = await node.Admin.GetAsync(new Uri("status", UriKind.Relative), Cancel);
        Assert.Equal("text/plain", status.Content.Headers.ContentType!.MediaType);
        Assert.Equal(
            "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 0 Waiting: 1 \n",
            await status.Content.ReadAsStringAsync(Cancel));
        var metrics = Parse(await node.Admin.GetStringAsync(new Uri("metrics", UriKind.Relative), Cancel));
        Assert.Equal(1, metrics.Single(m => m.Key.StartsWith("actorlb_build_info{", StringComparison.Ordinal)).Value);

        // A client that does not take its leave keeps the node draining for a while: within it /readyz says so, /healthz does not.
        using var second = await files.OpenAsync("two", 5);
        node.Process.Signal(ProcessHost.SigTerm);
        var answers = new List<string>();
        await node.Process.WaitUntilAsync(async () =>
        {
            using var ready = await node.Admin.GetAsync(new Uri("readyz", UriKind.Relative), Cancel);
            answers.Add($"{(int)ready.StatusCode} {await ready.Content.ReadAsStringAsync(Cancel)}");
            return ready.StatusCode == HttpStatusCode.ServiceUnavailable;
        });
        Assert.Equal("503 draining\n", answers[^1]);
        Assert.Equal("ok\n", await node.Admin.GetStringAsync(new Uri("healthz", UriKind.Relative), Cancel));
        client.Dispose();
        second.Dispose();
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    [Fact]
    public async Task Token_OfTheFile_IsDemanded()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: $"admin.token-file = \"{files.Add("token", "s3cret\n")}\"");
        await using var node = await files.StartAsync();
        foreach (var (token, expected) in new[] { ("", 401), ("Bearer wrong", 401), ("Bearer s3cre", 401), ("s3cret", 401), ("Bearer s3cret", 200) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "status");
            if (token.Length > 0)
                request.Headers.TryAddWithoutValidation("Authorization", token);
            using var answer = await node.Admin.SendAsync(request, Cancel);
            Assert.Equal((token, expected), (token, (int)answer.StatusCode));
        }

        Assert.Equal("ok\n", await node.Admin.GetStringAsync(new Uri("healthz", UriKind.Relative), Cancel));
        Assert.DoesNotContain("s3cret", node.Process.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task AccessLog_EachConnection_HasALine(string format)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var folder = new TempFolder();
        var path = folder["access.log"];
        await using (var node = await TestNode.StartAsync(
            TestNode.Backends(broker), more: $"log {{ access = \"{path}\", format = {format} }}"))
        {
            using (var client = await node.OpenAsync("first", 5))
            {
                await client.SendAsync(ConnectBytes.Publish("t", "x"u8));
                await client.ReadAsync(6);
                client.HalfClose();
                await client.ReadToEndAsync();
            }

            await node.UntilClosedAsync(CloseReason.ClientClosed);
            await node.AskAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            await node.UntilClosedAsync(CloseReason.BadConnect);
            // A client id that would forge a line.
            using (await node.OpenAsync("a\"\nb"))
            {
            }

            await node.UntilAsync(() => node.Node.Admission.Active == 0);
        }

        var lines = await File.ReadAllLinesAsync(path, Cancel);
        Assert.Equal(3, lines.Length);
        var connect = ConnectBytes.V5("first").Length;
        if (format == "text")
        {
            Assert.Matches(
                @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1:\d+ mqtt mqtt=5 client=""first"" pool=p "
                + $@"backend={Regex.Escape(broker.EndPoint.ToString())} time=\d+\.\d{{3}} connack=\d+\.\d{{3}} in={connect + 6}/2 out=11/2 reason=client_closed$",
                lines[0]);
            Assert.Matches(@" mqtt mqtt=- client=""-"" pool=p backend=- time=\d+\.\d{3} connack=- in=0/0 out=0/0 reason=bad_connect$", lines[1]);
            Assert.Contains(@" client=""a\u0022\u000ab"" ", lines[2], StringComparison.Ordinal);
            return;
        }

        var first = JsonDocument.Parse(lines[0]).RootElement;
        Assert.Equal("first", first.GetProperty("client_id").GetString());
        Assert.Equal("5", first.GetProperty("mqtt").GetString());
        Assert.Equal(broker.EndPoint.ToString(), first.GetProperty("backend").GetString());
        Assert.Equal("client_closed", first.GetProperty("reason").GetString());
        Assert.Equal(2, first.GetProperty("packets_in").GetInt32());
        Assert.Equal(11, first.GetProperty("bytes_out").GetInt32());
        Assert.Equal(JsonValueKind.Null, JsonDocument.Parse(lines[1]).RootElement.GetProperty("client_id").ValueKind);
        Assert.Equal("a\"\nb", JsonDocument.Parse(lines[2]).RootElement.GetProperty("client_id").GetString());
    }

    [Fact]
    public async Task Log_Json_IsALineOfJsonEach()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "log { format = json, level = debug }");
        await using var node = await files.StartAsync();
        using (await files.OpenAsync("one"))
        {
        }

        var line = await node.Process.WaitForLineAsync("admin endpoint");
        Assert.Equal("Information", JsonDocument.Parse(line).RootElement.GetProperty("LogLevel").GetString());
        Assert.All(node.Process.Lines, l => Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(l).RootElement.ValueKind));
    }

    /// <summary>The Prometheus text format 0.0.4: every sample stands under its HELP and TYPE, no sample comes twice.</summary>
    private static Dictionary<string, double> Parse(string page)
    {
        Assert.EndsWith("\n", page, StringComparison.Ordinal);
        var samples = new Dictionary<string, double>(StringComparer.Ordinal);
        string family = "", helped = "";
        foreach (var line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                helped = line.Split(' ')[2];
                continue;
            }

            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                family = line.Split(' ')[2];
                Assert.Equal(helped, family);
                Assert.Contains(line.Split(' ')[3], new[] { "counter", "gauge", "histogram" });
                continue;
            }

            var sample = Sample().Match(line);
            Assert.True(sample.Success, line);
            Assert.StartsWith(family, sample.Groups["name"].Value, StringComparison.Ordinal);
            samples.Add(sample.Groups["key"].Value, double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture));
        }

        return samples;
    }

    [GeneratedRegex("""^(?<key>(?<name>[a-z_][a-z0-9_]*)(\{([a-z_]+="([^"\\]|\\.)*",?)*\})?) (?<value>[0-9.eE+-]+|\+Inf|NaN)$""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Sample();
}
