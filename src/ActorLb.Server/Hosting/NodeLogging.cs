using ActorLb.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

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
        ConsoleFormatter formatter =
            options.Format == LogFormat.Json ? new JsonLineFormatter(TimeProvider.System, _limit) : new LineFormatter(TimeProvider.System, _limit);
        var console = new ConsoleLoggerOptions
        {
            LogToStandardErrorThreshold = LogLevel.Trace,
            FormatterName = formatter.Name,
            // The logging thread may be a reactor, which must not wait for the reader of a pipe. The number of lost lines is logged.
            QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite,
        };
        // LoggerFactory.Create would build a service container and bind a configuration, which takes a tenth of the start.
        var filter = new LoggerFilterOptions { MinLevel = LogLevel.Trace };
        filter.Rules.Add(new LoggerFilterRule(null, null, null, (_, category, level) => IsWritten(category, level)));
        Factory = new LoggerFactory([], filter);
        Factory.AddProvider(new ConsoleLoggerProvider(new FixedOptions(console), [formatter]));
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

    private bool IsWritten(string? category, LogLevel level) =>
        category == AuditCategory
        || (level >= ToLevel(_level) && (level >= LogLevel.Warning || category?.StartsWith("ActorLb", StringComparison.Ordinal) == true)
        && !IsFailedStart(category, level));

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

    private sealed class FixedOptions(ConsoleLoggerOptions options) : IOptionsMonitor<ConsoleLoggerOptions>
    {
        public ConsoleLoggerOptions CurrentValue => options;

        public ConsoleLoggerOptions Get(string? name) => options;

        public IDisposable? OnChange(Action<ConsoleLoggerOptions, string?> listener) => null;
    }
}
