using ActorLb.Server.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Server;

public sealed class LineFormatterTests
{
    private static readonly FakeTimeProvider Time = new(new DateTimeOffset(2025, 1, 2, 3, 4, 5, 6, TimeSpan.Zero));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("client 'a\nb'", "client 'a b'")]
    [InlineData("\u001b]0;title\u0007\u009b2J\u202e\u2028", "\\u001b]0;title\\u0007\\u009b2J\\u202e ")]
    [InlineData("C:\\users", "C:\\users")]
    public void Entry_IsOneLine_WithNothingForTheTerminal(string message, string shown) =>
        Assert.Equal($"2025-01-02T03:04:05.006Z warn: ActorLb.Node[7] {shown}\n", Format(message, null));

    [Fact]
    public void Entry_WithAnException_IsOneLineToo()
    {
        string line = Format("failed", new IOException("disk\u001b\n gone"));
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
        Assert.Contains("failed System.IO.IOException: disk\\u001b  gone", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Entry_OfAMegabyte_IsCut() => Assert.InRange(Format(new string('x', 1 << 20), null).Length, 1, 33 * 1024);

    private static string Format(string message, Exception? exception)
    {
        var output = new StringWriter();
        var entry = new LogEntry<string>(LogLevel.Warning, "ActorLb.Node", new EventId(7), message, exception, (state, _) => state);
        new LineFormatter(Time).Write(entry, null, output);
        return output.ToString();
    }
}
