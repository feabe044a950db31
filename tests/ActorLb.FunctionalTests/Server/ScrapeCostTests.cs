using System.Diagnostics;
using ActorLb.Server.Admin;
using ActorLb.Server.Otlp;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Server;

/// <summary>What it costs to read the metrics of a large node.</summary>
public sealed class ScrapeCostTests
{
    [Fact]
    public async Task Scrape_OfAHundredBackends_AllocatesLittleMoreThanItsPage()
    {
        string backends = string.Join(", ", Enumerable.Range(1, 100).Select(i => $"\"10.0.{i / 200}.{i % 200}:1883\""));
        await using var node = await TestNode.StartAsync($"backends = [{backends}]");
        // The first ones make what is made once.
        for (int i = 0; i < 20; i++) MetricsPage.Render(node.Node);
        long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        int length = MetricsPage.Render(node.Node).Length;
        double took = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        TestContext.Current.TestOutputHelper!.WriteLine($"a page of {length} bytes: {allocated} bytes allocated, {took:F2} ms");
        Assert.InRange(length, 200_000, 1_500_000);
        Assert.InRange(allocated, length, (length * 1.4) + 300_000);

        // As messages to a collector, in parts that it takes.
        int largest = 0;
        before = GC.GetAllocatedBytesForCurrentThread();
        start = Stopwatch.GetTimestamp();
        var writer = new OtlpMetricsWriter(new OtlpResource("c", "n", "v"), DateTimeOffset.UtcNow, DateTimeOffset.UtcNow, m => largest = Math.Max(largest, m.Length));
        MetricsPage.Write(writer, node.Node);
        writer.Complete();
        TestContext.Current.TestOutputHelper!.WriteLine($"by OTLP: {GC.GetAllocatedBytesForCurrentThread() - before} bytes allocated, {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F2} ms, a message of at most {largest}");
        Assert.InRange(largest, 100_000, 3_000_000);
    }
}
