using System.Text.Json;
using ActorLb.Server.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Server;

public sealed partial class JsonLineFormatterTests
{
    private static readonly FakeTimeProvider Time = new(new DateTimeOffset(2025, 1, 2, 3, 4, 5, 6, TimeSpan.FromHours(1)));

    [Fact]
    public void Entry_HasItsValuesUnderTheNamesOfTheAccessLog()
    {
        var line = Format(logger => Log.Told(logger, "10.0.0.1:5", "mqtt", "emqx", 7, 1.5));
        Assert.Equal(
            """{"time":"2025-01-02T02:04:05.006Z","level":"warning","event":"told","event_id":99001,"category":"ActorLb.Test","client":"10.0.0.1:5","listener":"mqtt","pool":"emqx","waited_for":7,"seconds":1.5,"message":"10.0.0.1:5 on mqtt of emqx: 7, 1.5"}""",
            line.GetRawText());
    }

    [Theory]
    [InlineData("listener")]
    [InlineData("pool")]
    public void Owner_AndItsName_AreWhatOtherEntriesCallIt(string owner)
    {
        var line = Format(logger => Log.Owned(logger, owner, "x", "text"));
        Assert.Equal("x", line.GetProperty(owner).GetString());
        Assert.False(line.TryGetProperty("owner", out _) || line.TryGetProperty("name", out _));
    }

    [Fact]
    public void Value_OfAReservedName_DoesNotTakeItsPlace()
    {
        var line = Format(logger => Log.Odd(logger, "mine", "yours"));
        Assert.Equal("mine and yours", line.GetProperty("message").GetString());
        Assert.Equal("warning", line.GetProperty("level").GetString());
    }

    [Fact]
    public void Text_OfAnyKind_IsOneAsciiLine()
    {
        string text = Raw(logger => Log.Owned(logger, "\n\u001b\u2028", "größe", new string('x', 1 << 20)));
        Assert.Equal(text.Length - 1, text.IndexOf('\n', StringComparison.Ordinal));
        Assert.All(text[..^1], c => Assert.InRange(c, ' ', '~'));
        Assert.InRange(text.Length, 1, 100_000);
    }

    private static JsonElement Format(Action<ILogger> log) => JsonDocument.Parse(Raw(log)).RootElement;

    private static string Raw(Action<ILogger> log)
    {
        var output = new StringWriter();
        log(new Formatting(output));
        return output.ToString();
    }

    private sealed class Formatting(StringWriter output) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            new JsonLineFormatter(Time).Write(new LogEntry<TState>(logLevel, "ActorLb.Test", eventId, state, exception, formatter), null, output);
    }

    private static partial class Log
    {
        [LoggerMessage(99001, LogLevel.Warning, "{Remote} on {Listener} of {Pool}: {WaitedFor}, {Seconds}")]
        public static partial void Told(ILogger logger, string remote, string listener, string pool, int waitedFor, double seconds);

        [LoggerMessage(99002, LogLevel.Warning, "{Owner} {Name}: {Text}")]
        public static partial void Owned(ILogger logger, string owner, string name, string text);

        [LoggerMessage(99003, LogLevel.Warning, "{Level} and {Message}")]
        public static partial void Odd(ILogger logger, string level, string message);
    }
}
