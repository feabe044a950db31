using ActorLb.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace ActorLb.Server.Hosting;

/// <summary>Logs lines to standard error, as text or JSON, at a level that can be changed while the node runs.</summary>
internal sealed class NodeLogging : IDisposable
{
    /// <summary>The audit log's category: written at every level, so that nobody can turn it off unnoticed.</summary>
    public const string AuditCategory = "ActorLb.Audit";

    private readonly EventLimit _limit = new(TimeProvider.System);
    private volatile LogLevelName _level;

    public NodeLogging(LogOptions options)
    {
        _level = options.Level;
        Factory = LoggerFactory.Create(builder =>
        {
            builder.SetMinimumLevel(LogLevel.Trace);
            builder.AddFilter((category, level) =>
                category == AuditCategory
                || (level >= ToLevel(_level) && (level >= LogLevel.Warning || category?.StartsWith("ActorLb", StringComparison.Ordinal) == true)
                && !IsFailedStart(category, level)));
            builder.AddConsole(console =>
            {
                console.LogToStandardErrorThreshold = LogLevel.Trace;
                console.FormatterName = options.Format == LogFormat.Json ? JsonLineFormatter.FormatterName : LineFormatter.FormatterName;
                // The logging thread may be a reactor, which must not wait for the reader of a pipe. The number of lost lines is logged.
                console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
            });
            builder.Services.AddSingleton<ConsoleFormatter>(
                options.Format == LogFormat.Json ? new JsonLineFormatter(TimeProvider.System, _limit) : new LineFormatter(TimeProvider.System, _limit));
        });
        _limit.Attach(Factory.CreateLogger("ActorLb.Log"));
    }

    public ILoggerFactory Factory { get; }

    public LogLevelName Level
    {
        get => _level;
        set => _level = value;
    }

    public void Dispose()
    {
        _limit.Dispose();
        Factory.Dispose();
    }

    /// <summary>When the admin endpoint cannot start, our own message replaces the web server's stack traces.</summary>
    private static bool IsFailedStart(string? category, LogLevel level) =>
        category == "Microsoft.Extensions.Hosting.Internal.Host"
        || (category == "Microsoft.AspNetCore.Server.Kestrel" && level == LogLevel.Critical);

    private static LogLevel ToLevel(LogLevelName name) => name switch
    {
        LogLevelName.Trace => LogLevel.Trace,
        LogLevelName.Debug => LogLevel.Debug,
        LogLevelName.Info => LogLevel.Information,
        LogLevelName.Warning => LogLevel.Warning,
        LogLevelName.Error => LogLevel.Error,
        _ => LogLevel.None,
    };
}
