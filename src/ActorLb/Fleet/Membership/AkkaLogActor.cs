using Akka.Actor;
using Akka.Event;
using Microsoft.Extensions.Logging;
using AkkaLevel = Akka.Event.LogLevel;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Writes Akka's log to this program's log: only the first line of each message, truncated and rate-limited. Otherwise garbage on
/// the port would write a hex dump for every connection.
/// </summary>
internal sealed partial class AkkaLogActor : UntypedActor
{
    private const int MaxLength = 240;

    private readonly ILogger _logger;
    private readonly LineLimit _limit;

    public AkkaLogActor(ILogger logger, LineLimit limit)
    {
        _logger = logger;
        _limit = limit;
    }

    public static Props Props(ILogger logger, LineLimit limit) => Akka.Actor.Props.Create(() => new AkkaLogActor(logger, limit));

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(LogEvent));

    protected override void OnReceive(object message)
    {
        if (message is not LogEvent line) return;
        var level = LevelOf(line);
        if (!_logger.IsEnabled(level)) return;
        // Debug lines are not limited: they are off unless requested.
        int suppressed = 0;
        if (level != LogLevel.Debug && !_limit.TryTake(line.LogClass.FullName ?? line.LogSource, out suppressed)) return;
        string text = Short(line.Message?.ToString() ?? "");
        string source = line.LogClass.Name == "DummyClassForStringSources" ? "remoting" : line.LogClass.Name;
        if (line.Cause is { } cause) text += $" ({Short(Innermost(cause).Message)})";
        Log.Akka(_logger, level, source, text, suppressed == 0 ? "" : $" [{suppressed} similar lines suppressed]");
    }

    /// <summary>Problems of a connection are not errors of this node.</summary>
    private static LogLevel LevelOf(LogEvent line) => IsEndOfConnection(line) ? LogLevel.Debug : line.LogLevel() switch
    {
        AkkaLevel.ErrorLevel when IsOfConnection(line) => LogLevel.Warning,
        AkkaLevel.ErrorLevel => LogLevel.Error,
        AkkaLevel.WarningLevel when IsOfConnection(line) => LogLevel.Information,
        AkkaLevel.WarningLevel => LogLevel.Warning,
        _ => LogLevel.Debug,
    };

    /// <summary>
    /// The end of a connection (the membership reports its effects), and a peer that disconnects during its handshake, as a port
    /// check does. Akka logs the first as an error and the second as malicious traffic.
    /// </summary>
    private static bool IsEndOfConnection(LogEvent line) => line.LogClass.Name switch
    {
        "TcpServerHandler" => line.Cause is { } cause ? Innermost(cause).Message == "Channel is closed"
            : line.Message?.ToString()?.StartsWith("Rejected incoming connection", StringComparison.Ordinal) == true,
        "OneForOneStrategy" => line.Message?.ToString() == "Disassociated",
        _ => false,
    };

    private static bool IsOfConnection(LogEvent line) =>
        line.LogClass.Namespace?.StartsWith("Akka.Remote", StringComparison.Ordinal) == true
        || line.LogSource.StartsWith("remoting", StringComparison.OrdinalIgnoreCase);

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    private static string Short(string text)
    {
        int end = text.AsSpan().IndexOfAny('\r', '\n');
        string line = end < 0 ? text : text[..end];
        return line.Length <= MaxLength ? line : line[..MaxLength] + "...";
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 3501, Message = "Akka {Source}: {Text}{More}")]
        public static partial void Akka(ILogger logger, LogLevel level, string source, string text, string more);
    }
}
