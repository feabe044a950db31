using System.CommandLine;
using ActorLb.Protocol.CommandLine;
using ActorLb.Protocol.Mqtt;
using ActorLb.Server.Bench;
using ActorLb.Server.Commands;
using ActorLb.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Server;

public sealed class BenchPartsTests
{
    [Fact]
    public void Histogram_UniformLatencies_PercentilesToThreeDigits()
    {
        var histogram = new LatencyHistogram();
        for (int micros = 1; micros <= 100_000; micros++) histogram.Record(TimeSpan.FromMicroseconds(micros));
        foreach (double quantile in (double[])[0.001, 0.5, 0.95, 0.99, 0.999])
        {
            double exact = 100_000 * quantile;
            Assert.InRange(histogram.Percentile(quantile).TotalMicroseconds, exact * 0.999, exact * 1.001 + 1);
        }
        Assert.InRange(histogram.Percentile(1).TotalMicroseconds, 100_000, 100_100);
        Assert.Equal(histogram.Percentile(1), histogram.Max);
        Assert.Equal(100_000, histogram.Count);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(long.MaxValue / TimeSpan.TicksPerMicrosecond)]
    public void Histogram_OneLatency_IsEveryPercentile(long micros)
    {
        var histogram = new LatencyHistogram();
        histogram.Record(new TimeSpan(micros * TimeSpan.TicksPerMicrosecond));
        double found = histogram.Percentile(0.5).TotalMicroseconds;
        // What is beyond 24 hours is counted as that.
        double counted = Math.Clamp(micros, 0, 24L * 3600 * 1_000_000);
        Assert.InRange(found, counted, counted * 1.001);
    }

    [Fact]
    public void Histogram_Empty_IsZero() => Assert.Equal(TimeSpan.Zero, new LatencyHistogram().Percentile(0.99));

    [Fact]
    public void Histogram_Record_AllocatesNothing()
    {
        var histogram = new LatencyHistogram();
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (int i = 0; i < 10_000; i++) histogram.Record(TimeSpan.FromMicroseconds(i));
        }));
    }

    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("10s", 10_000)]
    [InlineData("10", 10_000)]
    [InlineData("1.5m", 90_000)]
    [InlineData("1h", 3_600_000)]
    [InlineData("2d", 172_800_000)]
    [InlineData("0", 0)]
    [InlineData("1x", null)]
    [InlineData("s", null)]
    [InlineData("-1s", null)]
    [InlineData("10sm", null)]
    [InlineData("99999999h", null)]
    [InlineData("", null)]
    public void Duration_Text_IsReadOrRefused(string text, int? milliseconds) =>
        Assert.Equal(milliseconds is { } value ? TimeSpan.FromMilliseconds(value) : null, DurationText.Parse(text));

    [Theory]
    [InlineData("a/%c/b", "a/7/b", "a/+/b")]
    [InlineData("a/x%c/%u", "a/x7/bob", "a/+/bob")]
    [InlineData("plain", "plain", "plain")]
    public void TopicTemplate_Placeholders_AreReplaced(string template, string topic, string filter)
    {
        Assert.Equal(topic, TopicTemplate.Expand(template, 7, "bob"));
        Assert.Equal(filter, TopicTemplate.Filter(template, "bob"));
        Assert.Null(TopicTemplate.Fault(template));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/+")]
    [InlineData("a/#")]
    [InlineData("a\0")]
    public void TopicTemplate_NoTopicToPublishTo_IsRefused(string template) => Assert.NotNull(TopicTemplate.Fault(template));

    [Fact]
    public void BackendDistribution_PrometheusText_ReadsThatMetricAlone()
    {
        var values = BackendDistribution.Parse("""
            # HELP actorlb_backend_connections Open connections
            actorlb_backend_connections{pool="a",backend="[::1]:1883"} 4
            actorlb_backend_connections{backend="h:1",pool="b",} 2.0e1 1700000000
            actorlb_backend_connections_total{pool="a",backend="h:1"} 9
            actorlb_backend_connections{pool="a"} 5
            actorlb_backend_connections{pool="a",backend="x
            actorlb_backend_connections{pool="a",backend="y"} NaNo
            """);
        Assert.Equal(2, values.Count);
        Assert.Equal(4, values["a/[::1]:1883"]);
        Assert.Equal(20, values["b/h:1"]);
    }

    [Fact]
    public async Task DelayUntil_PartOfAMillisecondLeft_WaitsForTheWholeOne()
    {
        var time = new FakeTimeProvider();
        long start = time.GetTimestamp();
        var waiting = time.DelayUntil(start, TimeSpan.FromMicroseconds(300), CancellationToken.None);
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await waiting;
        Assert.True(time.DelayUntil(start, TimeSpan.FromMicroseconds(900), CancellationToken.None).IsCompletedSuccessfully);
    }

    /// <summary>One message in ten million seconds is a rate, too.</summary>
    [Fact]
    public async Task DelayUntil_LongerThanATimerTakes_Waits()
    {
        using var stop = new CancellationTokenSource();
        var time = new FakeTimeProvider();
        var waiting = time.DelayUntil(time.GetTimestamp(), TimeSpan.FromSeconds(1e7), stop.Token);
        Assert.False(waiting.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
    }

    [Fact]
    public void PayloadStamp_OtherRunOrTooShort_IsNotRead()
    {
        byte[] payload = new byte[20];
        PayloadStamp.Write(payload, 42, 99);
        Assert.True(PayloadStamp.TryRead(payload, 42, out long timestamp));
        Assert.Equal(99, timestamp);
        Assert.False(PayloadStamp.TryRead(payload, 43, out _));
        Assert.False(PayloadStamp.TryRead(payload.AsSpan(0, 15), 42, out _));
        PayloadStamp.Write([], 42, 99);
    }

    [Theory]
    [InlineData("-h broker.example", 1883)]
    [InlineData("-h broker.example --insecure", 8883)]
    [InlineData("-h broker.example --ws /mqtt", 8083)]
    [InlineData("-h broker.example --ws /mqtt --tls", 8084)]
    [InlineData("-h broker.example -p 4000 --tls", 4000)]
    public void TargetOptions_Transport_GivesThePort(string arguments, int port)
    {
        var target = Read(arguments);
        Assert.Equal("broker.example", target.Host);
        Assert.Equal(port, target.Port);
    }

    [Fact]
    public void TargetOptions_All_AreTaken()
    {
        var target = Read("-V 5 -u bob -P secret --tls --servername mqtt.example --ws /x --client-id-prefix c- -k 0 --timeout 500ms");
        Assert.Equal(MqttVersion.V5, target.Version);
        Assert.Equal(("bob", "secret"), (target.UserName, target.Password));
        Assert.Equal("mqtt.example", target.Tls?.ServerName);
        Assert.Equal("/x", target.WebSocketPath);
        Assert.Equal("c-", target.ClientIdPrefix);
        Assert.Equal(0, target.KeepAlive);
        Assert.Equal(TimeSpan.FromMilliseconds(500), target.ConnectTimeout);
    }

    [Theory]
    [InlineData("-c 0", "--clients must be from 1")]
    [InlineData("-c x", "'x'")]
    [InlineData("-p NaN", "not NaN")]
    [InlineData("-p 0", "--port must be from 1")]
    [InlineData("-p 65536", "--port must be from 1")]
    [InlineData("-V 4", "'4'")]
    [InlineData("--ws mqtt", "starts with /")]
    [InlineData("--timeout soon", "'soon' is not a duration")]
    [InlineData("-k 65536", "--keep-alive must be from 0")]
    public void TargetOptions_BadValue_IsNamed(string arguments, string expected)
    {
        var command = new Command("bench");
        _ = new BenchTargetOptions(command);
        Assert.Contains(command.Parse(arguments).Errors, error => error.Message.Contains(expected, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--ca /nonexistent.pem", "/nonexistent.pem")]
    [InlineData("--cert /dev/null", "/dev/null")]
    [InlineData("--ca /dev/null", "CA file /dev/null: holds no readable PEM certificate")]
    [InlineData("--key /dev/null", "--cert")]
    [InlineData("-P secret", "--user")]
    public void TargetOptions_Contradiction_IsAFault(string arguments, string expected) =>
        Assert.Contains(expected, Assert.Throws<BenchFailure>(() => Read(arguments)).Message, StringComparison.Ordinal);

    private static BenchTarget Read(string arguments)
    {
        var command = new Command("bench");
        var options = new BenchTargetOptions(command);
        var parsed = command.Parse(arguments);
        Assert.Empty(parsed.Errors);
        return options.Read(parsed);
    }
}
