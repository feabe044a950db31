using ActorLb.Protocol.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace ActorLb.Server.Hosting;

/// <summary>An entry of the node's log as one line of text, without control sequences, whatever a client or peer put into it.</summary>
internal sealed class LineFormatter(TimeProvider time, EventLimit? limit = null) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "line";

    private const int LongestLine = 32 * 1024;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        // An empty message gives no line.
        if (limit?.Admits(logEntry.LogLevel, logEntry.Category, logEntry.EventId) == false) return;
        string message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (logEntry.Exception is { } exception) message = $"{message} {exception}";
        string level = logEntry.LogLevel switch
        {
            LogLevel.Trace => "trce",
            LogLevel.Debug => "dbug",
            LogLevel.Information => "info",
            LogLevel.Warning => "warn",
            LogLevel.Error => "fail",
            _ => "crit",
        };
        textWriter.Write($"{TimeText.Of(time.GetUtcNow())} {level}: {logEntry.Category}[{logEntry.EventId.Id}] ");
        textWriter.Write(SafeText.Shortened(SafeText.OfMessage(message), LongestLine));
        textWriter.Write('\n');
    }
}
