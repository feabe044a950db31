using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using ActorLb.FunctionalTests.Harness;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Server.Admin;
using ActorLb.Server.Otlp;
using ActorLb.Telemetry;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Server;

/// <summary>What a collector of OpenTelemetry gets of a node.</summary>
public sealed class OtlpTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static OtlpExport Start(TestNode node) => OtlpExport.Start(
        node.Node.Options.Telemetry.Otlp, node.Node, w => MetricsPage.Write(w, node.Node), new OtlpCounters(), TimeProvider.System, node.Log.CreateLogger(""));

    private static string Telemetry(IPEndPoint collector, string more = "", string sample = "100%") =>
        $"telemetry.otlp {{ endpoint = \"http://{collector}\", interval = 1s, traces.sample = {sample}, {more} }}";

    [Theory]
    [InlineData("http", "/v1/metrics")]
    [InlineData("grpc", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")]
    public async Task Metrics_AreThoseOfThePage(string protocol, string path)
    {
        await using var collector = await OtlpCollector.StartAsync(protocol == "grpc");
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), more: Telemetry(collector.Address, $"protocol = {protocol}, headers-file = \"{_folder.Write("headers", "# whose\nX-Token: of the test\n")}\""));
        using var clients = await Clients.OpenAsync(node, 3);
        await using (Start(node))
        {
            await Wait.UntilAsync(() => collector.Messages("metrics").Any());
        }

        var request = collector.Requests.First(r => r.Path.Contains("metrics", StringComparison.OrdinalIgnoreCase));
        Assert.Equal((path, "of the test"), (request.Path, request.Token));
        ProtobufMessage message = new(request.Message);
        var resource = message.All(1, 1).Single().Attributes(1);
        Assert.Equal(("actorlb", "test"), (resource["service.name"], resource["service.instance.id"]));
        var metrics = message.All(1, 2, 2).ToDictionary(m => m.Text(1));
        Assert.Equal(NamesOf(MetricsText.Of(node.Node)), metrics.Keys.Order(StringComparer.Ordinal));

        var accepted = metrics["actorlb_connections_accepted_total"].All(7).Single();
        Assert.Equal((2UL, 1UL, 3.0), (accepted.Number(2), accepted.Number(3), accepted.All(1).Single().Double(4)));
        Assert.InRange(accepted.All(1).Single().Number(3), accepted.All(1).Single().Number(2) + 1, ulong.MaxValue);
        var up = metrics["actorlb_backend_up"].All(5, 1).Single();
        Assert.Equal(1.0, up.Double(4));
        Assert.Equal(("p", $"{broker.EndPoint}"), (up.Attributes(7)["pool"], up.Attributes(7)["backend"]));
        var connack = metrics["actorlb_connack_seconds"].All(9, 1).Single();
        Assert.Equal((3UL, 3UL), (connack.Number(4), connack.Packed(6).Aggregate((a, b) => a + b)));
        Assert.Equal(Histogram.Bounds, connack.Packed(7).Select(BitConverter.UInt64BitsToDouble));
        Assert.Equal(Histogram.Bounds.Length + 1, connack.Packed(6).Length);
        Assert.Equal(("s", "By", "1"), (metrics["actorlb_connack_seconds"].Text(3), metrics["actorlb_bytes_total"].Text(3), metrics["actorlb_backend_up"].Text(3)));
    }

    [Fact]
    public async Task Spans_HaveTheSteps_AndNobodysName()
    {
        await using var collector = await OtlpCollector.StartAsync();
        await using var bad = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(bad, good), more: Telemetry(collector.Address));
        using var client = await node.OpenAsync("secret-id", version: 5);
        // No CONNECT at all.
        await node.AskAsync("GET /secret-id HTTP/1.1\r\n\r\n"u8.ToArray());
        await using (Start(node))
        {
            await Wait.UntilAsync(() => Spans(collector).Count() >= 2);
        }

        var accepted = Spans(collector).Single(s => s.Attributes(9)["actorlb.outcome"] == "established");
        var attributes = accepted.Attributes(9);
        Assert.Equal(
            ("mqtt", "p", $"{good.EndPoint}", "2", "5"),
            (attributes["actorlb.listener"], attributes["actorlb.pool"], attributes["actorlb.backend"], attributes["actorlb.tries"], attributes["mqtt.version"]));
        Assert.Equal(
            ["accept", "connect", "lookup", "dial", "connack", "backend_failed", "lookup", "dial", "connack"],
            accepted.All(11).Select(e => e.Text(2)));
        Assert.Equal(
            [$"{bad.EndPoint}", $"{good.EndPoint}"],
            accepted.All(11).Where(e => e.Text(2) == "dial").Select(e => e.Attributes(3)["actorlb.backend"]));
        Assert.Equal("backends_failed", accepted.All(11).Single(e => e.Text(2) == "backend_failed").Attributes(3)["actorlb.reason"]);
        ulong[] times = [accepted.Number(7), .. accepted.All(11).Select(e => e.Number(1)), accepted.Number(8)];
        Assert.Equal(times.Order(), times);
        Assert.Equal((16, 8), (accepted.Bytes(1).Length, accepted.Bytes(2).Length));
        Assert.False(accepted.Has(15));

        var refused = Spans(collector).Single(s => s.Attributes(9)["actorlb.outcome"] == "refused");
        Assert.Equal("bad_connect", refused.Attributes(9)["actorlb.reason"]);
        Assert.Equal(2UL, refused.All(15).Single().Number(3));
        Assert.All(collector.Requests, r => Assert.DoesNotContain("secret-id", Encoding.UTF8.GetString(r.Message), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Collector_ThatIsAway_IsToldOnce_HoldsUpNobody_AndGetsWhatComesLater()
    {
        int port = Ports.Free();
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: Telemetry(new IPEndPoint(IPAddress.Loopback, port)));
        await using var export = Start(node);
        using (var clients = await Clients.OpenAsync(node, 20))
        {
            await Wait.UntilAsync(() => node.Node.Traces!.Lost >= 20);
        }
        // Several exports of the metrics fail meanwhile.
        await Task.Delay(2500);
        string[] told = [.. node.Log.Lines.Select(l => l.Text).Where(l => l.Contains("the collector", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.Equal(2, told.Length);
        Assert.StartsWith($"the collector http://127.0.0.1:{port}/ does not accept metrics: ", told[0], StringComparison.Ordinal);
        Assert.StartsWith($"the collector http://127.0.0.1:{port}/ does not accept spans: ", told[1], StringComparison.Ordinal);

        await using var collector = await OtlpCollector.StartAsync(port: port);
        using var late = await node.OpenAsync("late");
        await Wait.UntilAsync(() => Spans(collector).Any() && collector.Messages("metrics").Any());
        Assert.Single(Spans(collector));
        await node.UntilAsync(() => node.Log.Lines.Count(l => l.Text.Contains("accepts spans again; 20 spans were lost", StringComparison.Ordinal)) == 1);
    }

    /// <summary>One that takes connections and answers nothing.</summary>
    [Fact]
    public async Task Collector_ThatHangs_KeepsSpansBounded_AndTheEndFromNobody()
    {
        await using var silent = FakeBroker.Start(FakeBroker.Silent);
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: Telemetry(silent.EndPoint));
        var traces = node.Node.Traces!;
        await using (Start(node))
        {
            for (int i = 0; i < 10_000; i++) traces.Begin("l", "p", "accept")!.Finish(null);
            Assert.InRange(traces.Finished.Count, 1, SetupTraces.MostWaiting);
            Assert.InRange(traces.Lost, 10_000 - (2 * SetupTraces.MostWaiting), 10_000);
            await Wait.UntilAsync(() => silent.Accepted > 0);
        }
    }

    [Fact]
    public async Task Sample_IsThePartThatIsFollowed()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: Telemetry(broker.EndPoint, sample: "10%"));
        int followed = Enumerable.Range(0, 20_000).Count(_ => node.Node.Traces!.Begin("l", "p", "accept") is not null);
        Assert.InRange(followed, 1_700, 2_300);
        await using var off = await TestNode.StartAsync(TestNode.Backends(broker), more: Telemetry(broker.EndPoint, sample: "0%"));
        Assert.Null(off.Node.Traces);
        await using var none = await TestNode.StartAsync(TestNode.Backends(broker));
        Assert.Null(none.Node.Traces);
    }

    [Fact]
    public async Task Headers_ThatAreNone_AreToldByLine_WithoutTheirValue()
    {
        string file = _folder.Write("headers", "X-One: 1\nhunter2\n");
        string path = _folder.Write("node.conf", $$"""
            actorlb {
              node.pid-file = off
              admin.bind = "127.0.0.1:0"
              telemetry.otlp { endpoint = "http://127.0.0.1:1", headers-file = "{{file}}" }
              pools.p.backends = ["127.0.0.1:1"]
              listeners.mqtt { bind = "127.0.0.1:0", pool = p }
            }
            """);
        foreach (string command in (string[])["check", "run"])
        {
            var result = await ActorLbProcess.RunAsync(command, "-c", path);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("line 2 is not \"Name: value\"", result.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("hunter2", result.Output, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<ProtobufMessage> Spans(OtlpCollector collector) => collector.Messages("traces").SelectMany(m => m.All(1, 2, 2));

    /// <summary>Families of a page that have a series.</summary>
    private static IEnumerable<string> NamesOf(string page)
    {
        string[] lines = page.Split('\n');
        return [.. lines.Select((l, i) => (Match: Regex.Match(l, "^# TYPE (?<name>[a-z_]+) ", RegexOptions.None, TimeSpan.FromSeconds(1)), Next: i + 1 < lines.Length ? lines[i + 1] : ""))
            .Where(l => l.Match.Success && l.Next.Length > 0 && l.Next[0] != '#').Select(l => l.Match.Groups["name"].Value).Order(StringComparer.Ordinal)];
    }
}
