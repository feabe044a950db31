using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using ActorLb.FunctionalTests.Harness;
using ActorLb.Proxying;
using ActorLb.Server.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

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

        var samples = Parse(MetricsText.Of(node.Node));
        string backend = $"pool=\"p\",backend=\"{broker.EndPoint}\"";
        Assert.Equal(2, samples["actorlb_connections_accepted_total"]);
        Assert.Equal(1, samples["actorlb_connects_total"]);
        Assert.Equal(1, samples["actorlb_connections_active{state=\"established\"}"]);
        Assert.Equal(1, samples["actorlb_connections_rejected_total{listener=\"mqtt\",reason=\"bad_connect\"}"]);
        Assert.Equal(1, samples["actorlb_listener_connections{listener=\"mqtt\"}"]);
        Assert.Equal(1, samples[$"actorlb_backend_connections{{{backend}}}"]);
        Assert.Equal(1, samples[$"actorlb_backend_up{{{backend}}}"]);
        int connect = ConnectBytes.V311("some-client").Length;
        Assert.Equal(connect + 6, samples[$"actorlb_backend_sent_bytes_total{{{backend}}}"]);
        Assert.Equal(connect + 6, samples["actorlb_bytes_total{direction=\"from_clients\"}"]);
        Assert.Equal(10, samples["actorlb_bytes_total{direction=\"from_backends\"}"]);
        Assert.Equal(10, samples[$"actorlb_backend_received_bytes_total{{{backend}}}"]);
        Assert.Equal(1, samples[$"actorlb_dial_seconds_count{{{backend}}}"]);
        Assert.Equal(1, samples[$"actorlb_connack_seconds_bucket{{{backend},le=\"+Inf\"}}"]);
        Assert.Equal(2, samples["actorlb_packets_total{direction=\"from_clients\"}"]);
        Assert.Contains("actorlb_reactor_busy_seconds_total{reactor=\"0\"}", samples.Keys);
        Assert.DoesNotContain(samples.Keys, k => k.Contains("some-client", StringComparison.Ordinal) || k.Contains(client.Local.ToString(), StringComparison.Ordinal));
    }

    private static async Task AnswersLateAsync(FakeBrokerConnection connection, CancellationToken stop)
    {
        await connection.ReadPacketAsync(stop);
        // What the metrics are to show of it.
        await Task.Delay(30, stop);
        await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
        await connection.ReadToEndAsync(stop);
    }

    private static async Task LeavesItsClientAsync(FakeBrokerConnection connection, CancellationToken stop)
    {
        await connection.ReadPacketAsync(stop);
        await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
        await connection.ReadSomeAsync(stop);
    }

    [Fact]
    public async Task Metrics_TellBackendsApart_AndTheirStatesToo()
    {
        await using FakeBroker slow = FakeBroker.Start(AnswersLateAsync), fickle = FakeBroker.Start(LeavesItsClientAsync);
        var nowhere = Ports.FreeEndPoint();
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(slow),
            more: $$"""
                pools.fickle { backends = ["{{fickle.EndPoint}}"], health { probe = tcp, interval = 1h } }
                pools.gone { backends = ["{{nowhere}}", { address = "127.0.0.1:1", down = on }], health { probe = tcp, interval = 1h } }
                listeners.fickle { bind = "127.0.0.1:0", pool = fickle }
                listeners.gone { bind = "127.0.0.1:0", pool = gone }
                """);
        using var client = await node.OpenAsync("c");
        using (var lost = await RawClient.ConnectAsync(node.Node.Listeners.Single(l => l.Name == "fickle").BoundTo!))
        {
            await lost.SendAsync(ConnectBytes.V311("lost"));
            await lost.ReadAsync(4);
            await lost.SendAsync(new byte[] { 0xC0, 0 });
            await lost.ReadToEndAsync();
        }
        await node.UntilClosedAsync(CloseReason.BackendClosed);
        await node.UntilAsync(() => node.Node.Pools.Where(p => p.Name != "p").SelectMany(p => p.Pool.Snapshot.Backends.ToArray())
            .All(b => b.AdminState == ActorLb.Balancing.AdminState.Down || b.Health != ActorLb.Balancing.HealthState.Unknown));
        using (var refused = await RawClient.ConnectAsync(node.Node.Listeners.Single(l => l.Name == "gone").BoundTo!))
        {
            await refused.SendAsync(ConnectBytes.V311("refused"));
            await refused.ReadToEndAsync();
        }

        await node.UntilClosedAsync(CloseReason.NoBackend);
        var samples = Parse(MetricsText.Of(node.Node));
        string p = $"pool=\"p\",backend=\"{slow.EndPoint}\"", f = $"pool=\"fickle\",backend=\"{fickle.EndPoint}\"", g = $"pool=\"gone\",backend=\"{nowhere}\"";
        Assert.Equal((0, 1), (samples[$"actorlb_connack_seconds_bucket{{{p},le=\"0.025\"}}"], samples[$"actorlb_connack_seconds_count{{{p}}}"]));
        Assert.Equal((1, 1, 0), (samples[$"actorlb_dial_seconds_count{{{p}}}"], samples[$"actorlb_dial_seconds_count{{{f}}}"], samples[$"actorlb_dial_seconds_count{{{g}}}"]));
        Assert.Equal(2, samples["actorlb_connect_seconds_count"]);
        // What waited for a time-out of 10 s, or for all tries of 20 s, is not with what waited for ever.
        Assert.All(new[] { "15", "30", "60" }, le => Assert.Contains($"actorlb_connack_seconds_bucket{{{p},le=\"{le}\"}}", samples.Keys));

        Assert.DoesNotContain($"actorlb_probe_seconds_count{{{p}}}", samples.Keys);
        Assert.Equal((1, 1), (samples[$"actorlb_probe_seconds_count{{{f}}}"], samples[$"actorlb_probe_seconds_count{{{g}}}"]));
        Assert.Equal((1, 0), (samples[$"actorlb_backend_health{{{f},state=\"up\"}}"], samples[$"actorlb_backend_health{{{f},state=\"down\"}}"]));
        Assert.Equal((1, 1), (samples[$"actorlb_backend_health{{{g},state=\"down\"}}"], samples[$"actorlb_backend_admin_state{{{g},state=\"up\"}}"]));
        Assert.Equal((0, 1), (samples[$"actorlb_backend_admin_state{{pool=\"gone\",backend=\"127.0.0.1:1\",state=\"up\"}}"], samples[$"actorlb_backend_admin_state{{pool=\"gone\",backend=\"127.0.0.1:1\",state=\"down\"}}"]));
        Assert.Equal((1, 0), (samples[$"actorlb_backend_sessions_lost_total{{{f},reason=\"closed\"}}"], samples[$"actorlb_backend_sessions_lost_total{{{p},reason=\"closed\"}}"]));
        Assert.Equal((0, 2, 1), (samples["actorlb_pool_eligible_backends{pool=\"gone\"}"], samples["actorlb_pool_backends{pool=\"gone\"}"], samples["actorlb_pool_eligible_backends{pool=\"p\"}"]));
        Assert.Equal((1, 0), (samples["actorlb_connections_rejected_total{listener=\"gone\",reason=\"no_backend\"}"], samples["actorlb_connections_rejected_total{listener=\"mqtt\",reason=\"no_backend\"}"]));
    }

    [Fact]
    public async Task Pool_WithoutABackendLeft_IsALogLineOnce_AndSoIsItsReturn()
    {
        await using var one = FakeBroker.Start(FakeBroker.Accepting);
        await using var two = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(one, two));
        var backends = node.Node.Pools.Single().Pool.Snapshot.Backends.ToArray();
        using var events = node.Node.Events.TryWatch(0)!;
        backends[0].SetAdminState(ActorLb.Balancing.AdminState.Down);
        Assert.DoesNotContain(node.Log.Lines, l => l.Text.Contains("has no backend left", StringComparison.Ordinal));
        backends[1].SetAdminState(ActorLb.Balancing.AdminState.Drain);
        backends[1].SetWeight(7);
        backends[1].SetAdminState(ActorLb.Balancing.AdminState.Down);
        var line = await node.Log.OnlyLineAsync(l => l.Text.Contains("has no backend left", StringComparison.Ordinal));
        Assert.Equal((Microsoft.Extensions.Logging.LogLevel.Error, $"pool p has no backend left that accepts new clients: {one.EndPoint} (down); {two.EndPoint} (draining)"), line);
        backends[0].SetAdminState(ActorLb.Balancing.AdminState.Up);
        backends[1].SetAdminState(ActorLb.Balancing.AdminState.Up);
        await node.Log.OnlyLineAsync(l => l.Text.Contains("has a backend again", StringComparison.Ordinal));
        var kinds = new List<string>();
        while (events.Events.TryRead(out var e)) kinds.Add(e.Kind);
        Assert.Equal(["pool_empty", "pool_serving"], kinds.Where(k => k.StartsWith("pool_", StringComparison.Ordinal)));
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
        string path = folder["access.log"];
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

        string[] lines = await File.ReadAllLinesAsync(path, Cancel);
        Assert.Equal(3, lines.Length);
        int connect = ConnectBytes.V5("first").Length;
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

        string line = await node.Process.WaitForLineAsync("admin endpoint");
        Assert.Equal("info", JsonDocument.Parse(line).RootElement.GetProperty("level").GetString());
        Assert.All(node.Process.Lines, l => Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(l).RootElement.ValueKind));
    }

    /// <summary>Who collects both reads one time, one level, and the same name for the same thing.</summary>
    [Fact]
    public async Task Logs_OfNodeAndAccessAsJson_ShareTheirNamesAndTheTime()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(
            "backends = [\"127.0.0.1:1\"], retry.tries = 1", "max-connections = 100",
            more: $"pools.good {{ {TestNode.Backends(broker)}, health.probe = none }}, listeners.good {{ bind = \"127.0.0.1:0\", pool = good }}\n"
                + $"log {{ format = json, level = debug, access = \"{files["access.log"]}\" }}");
        await using var node = await files.StartAsync();
        using (var client = await RawClient.ConnectAsync(files.Front))
        {
            await client.SendAsync(ConnectBytes.V311("c"));
            await client.ReadToEndAsync();
        }

        using (var stranger = await RawClient.ConnectAsync(files.Front))
        {
            await stranger.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            await stranger.ReadToEndAsync();
        }

        await node.Process.WaitUntilAsync(async () => File.Exists(files["access.log"]) && (await File.ReadAllLinesAsync(files["access.log"])).Length == 2);
        var told = JsonDocument.Parse(await node.Process.WaitForLineAsync("connect failed")).RootElement;
        var refused = JsonDocument.Parse(await node.Process.WaitForLineAsync("CONNECT refused")).RootElement;
        var access = (await File.ReadAllLinesAsync(files["access.log"], TestContext.Current.CancellationToken)).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        Assert.All(
            [.. node.Process.Lines.Select(l => JsonDocument.Parse(l).RootElement), .. access],
            line =>
            {
                Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", line.GetProperty("time").GetString());
                Assert.Contains(line.GetProperty("level").GetString(), new[] { "trace", "debug", "info", "warning", "error", "critical" });
                Assert.Equal(["time", "level", "event"], line.EnumerateObject().Take(3).Select(p => p.Name));
                Assert.All(line.EnumerateObject(), p => Assert.Matches("^[a-z][a-z0-9_]*$", p.Name));
            });
        Assert.Equal(("connect_failed", "warning", "p", "127.0.0.1:1"), (Of(told, "event"), Of(told, "level"), Of(told, "pool"), Of(told, "backend")));
        Assert.Equal(("session_ended", "p", "127.0.0.1:1"), (Of(access[0], "event"), Of(access[0], "pool"), Of(access[0], "backend")));
        Assert.Equal("bad_connect", Of(refused, "event"));
        Assert.Equal((Of(access[1], "client"), Of(access[1], "listener")), (Of(refused, "client"), Of(refused, "listener")));

        static string? Of(JsonElement line, string name) => line.GetProperty(name).GetString();
    }

    /// <summary>The Prometheus text format 0.0.4: every sample stands under its HELP and TYPE, no sample comes twice.</summary>
    private static Dictionary<string, double> Parse(string page)
    {
        Assert.EndsWith("\n", page, StringComparison.Ordinal);
        var samples = new Dictionary<string, double>(StringComparer.Ordinal);
        string family = "", helped = "";
        foreach (string line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries))
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
