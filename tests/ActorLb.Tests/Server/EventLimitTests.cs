using System.Reflection;
using ActorLb.Hosting;
using ActorLb.Server.Hosting;
using ActorLb.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Server;

/// <summary>A storm of one event is some of its lines and their number.</summary>
public sealed class EventLimitTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CollectedLog _log = new();
    private readonly EventLimit _limit;

    public EventLimitTests()
    {
        _limit = new EventLimit(_time);
        _limit.Attach(_log);
    }

    public void Dispose() => _limit.Dispose();

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public void Storm_OfOneEvent_IsItsFirstLinesAndOneSummary(string format)
    {
        ConsoleFormatter formatter = format == "json" ? new JsonLineFormatter(_time, _limit) : new LineFormatter(_time, _limit);
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(EventLimit.Lines, Enumerable.Range(0, 10_000).Count(i => Format(formatter, $"client {i}", 7).Length > 0));
            // Others are not concerned.
            Assert.NotEmpty(Format(formatter, "another", 8));
            _log.Clear();
            _time.Advance(EventLimit.Period);
            Assert.Equal((LogLevel.Warning, "ActorLb.Node: 9750 more lines of the event 7 (bad_connect) were left out in the last seconds"), Assert.Single(_log.Lines));
        }
    }

    [Fact]
    public void Changes_AndWhatDebugAsksFor_AreNeverLeftOut()
    {
        Assert.All(Enumerable.Range(0, 1_000), _ => Assert.True(_limit.Admits(LogLevel.Information, NodeLogging.AuditCategory, new EventId(3030))));
        Assert.All(Enumerable.Range(0, 1_000), _ => Assert.True(_limit.Admits(LogLevel.Debug, "ActorLb.Node", new EventId(9))));
    }

    [Fact]
    public void Events_WithoutEnd_AreToldTogether()
    {
        Assert.InRange(Enumerable.Range(0, 100_000).Count(i => _limit.Admits(LogLevel.Error, $"a library {i}", default)), 1024, 1024 + EventLimit.Lines + 1);
    }

    [Fact]
    public void WhatIsHeldBack_IsToldAtTheEnd()
    {
        for (int i = 0; i <= EventLimit.Lines; i++) _limit.Admits(LogLevel.Error, "ActorLb.Node", new EventId(7));
        _limit.Dispose();
        Assert.Contains(_log.Lines, l => l.Text.Contains("1 more lines of the event 7 ", StringComparison.Ordinal));
    }

    /// <summary>Programs tell lines apart by their ids, and find values under names that no line's own take.</summary>
    [Fact]
    public void Events_HaveIdsOfTheirOwn_AndNamesThatNoLineTakes()
    {
        (MethodInfo Method, LoggerMessageAttribute Event)[] all = [.. from assembly in (Assembly[])[typeof(Node).Assembly, typeof(NodeLogging).Assembly]
            from type in assembly.GetTypes() from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            let found = method.GetCustomAttribute<LoggerMessageAttribute>() where found is not null select (method, found)];
        Assert.True(all.Length > 80);
        Assert.Equal([], all.GroupBy(e => e.Event.EventId).Where(g => g.Count() > 1).Select(g => $"{g.Key}: {string.Join(", ", g.Select(e => $"{e.Method.DeclaringType} {e.Method.Name}"))}"));
        string[] taken = ["Time", "Level", "Event", "EventId", "Category", "Message", "Exception"];
        Assert.Equal([], all.Where(e => taken.Any(t => e.Event.Message!.Contains($"{{{t}", StringComparison.Ordinal))).Select(e => e.Event.Message!));
    }

    private static string Format(ConsoleFormatter formatter, string message, int id)
    {
        var output = new StringWriter();
        formatter.Write(new LogEntry<string>(LogLevel.Warning, "ActorLb.Node", new EventId(id, "BadConnect"), message, null, (state, _) => state), null, output);
        return output.ToString();
    }
}
