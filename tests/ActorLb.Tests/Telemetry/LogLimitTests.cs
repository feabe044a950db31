using ActorLb.Telemetry;
using ActorLb.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Telemetry;

public sealed class LogLimitTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CollectedLog _log = new();
    private readonly LogLimit _limit;

    public LogLimitTests() => _limit = new LogLimit(_log, _time);

    public void Dispose() => _limit.Dispose();

    [Fact]
    public void Flood_OfOneReason_PassesOneLineAndReportsTheOthersOnceAnInterval()
    {
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(1, Enumerable.Range(0, 1000).Count(_ => Admits("mqtt", "bad")));
            _log.Clear();
            _time.Advance(LogLimit.Interval);
            (var level, string text) = Assert.Single(_log.Lines);
            Assert.Equal(LogLevel.Information, level);
            Assert.StartsWith("listener mqtt: 999 more ", text, StringComparison.Ordinal);
            Assert.EndsWith(": bad", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Subjects_AndReasons_AndLevels_AreToldApart()
    {
        Assert.True(Admits("a", "one"));
        Assert.True(Admits("a", "two"));
        Assert.True(Admits("b", "one"));
        Assert.True(_limit.Admits(LogLevel.Warning, "listener", "a", "one"));
        Assert.True(_limit.Admits(LogLevel.Information, "pool", "a", "one"));
        Assert.False(Admits("a", "one"));
    }

    [Fact]
    public void Interval_WithNothingHeldBack_SaysNothingAndCostsNoTimer()
    {
        Assert.True(Admits("a", "one"));
        _time.Advance(LogLimit.Interval * 10);
        Assert.Empty(_log.Lines);
        Assert.True(Admits("a", "one"));
    }

    [Fact]
    public void Reasons_WithoutEnd_AreCountedTogether()
    {
        int passed = Enumerable.Range(0, 100_000).Count(i => Admits("a", $"reason {i}"));
        Assert.InRange(passed, 512, 513);
        _time.Advance(LogLimit.Interval);
        Assert.EndsWith("other reasons", Assert.Single(_log.Lines).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_WithSomeHeldBack_ReportsThem()
    {
        Admits("a", "one");
        Admits("a", "one");
        _limit.Dispose();
        Assert.StartsWith("listener a: 1 more ", Assert.Single(_log.Lines).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Level_ThatIsOff_PassesNothing()
    {
        using var limit = new LogLimit(NullLogger.Instance, _time);
        Assert.False(limit.Admits(LogLevel.Information, "listener", "a", "one"));
    }

    private bool Admits(string name, string reason) => _limit.Admits(LogLevel.Information, "listener", name, reason);
}
