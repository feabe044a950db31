using System.Globalization;
using System.Text;
using System.Text.Json;
using ActorLb.Protocol.Text;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace ActorLb.Server.Hosting;

/// <summary>
/// An entry of the node's log as one line of JSON, with the names and the time format of the access log: time, level, event, then the
/// subject (client, listener, pool, backend, reason, ...), and the message for people. Everything but ASCII is escaped.
/// </summary>
internal sealed class JsonLineFormatter(TimeProvider time, EventLimit? limit = null) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "json-line";

    private const int LongestMessage = 32 * 1024;

    /// <summary>Names present in every line; an entry's values cannot replace them.</summary>
    private static readonly string[] Reserved = ["time", "level", "event", "event_id", "category", "message", "exception"];

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        // An empty message gives no line.
        if (limit?.Admits(logEntry.LogLevel, logEntry.Category, logEntry.EventId) == false) return;
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", TimeText.Of(time.GetUtcNow()));
            json.WriteString("level", LevelOf(logEntry.LogLevel));
            if (logEntry.EventId.Name is { } name) json.WriteString("event", EventFeed.Word(name));
            if (logEntry.EventId.Id != 0) json.WriteNumber("event_id", logEntry.EventId.Id);
            json.WriteString("category", logEntry.Category);
            if (logEntry.State is IReadOnlyList<KeyValuePair<string, object?>> values) WriteValues(json, values);
            json.WriteString("message", Cut(logEntry.Formatter(logEntry.State, logEntry.Exception)));
            if (logEntry.Exception is { } exception) json.WriteString("exception", Cut(exception.ToString()));
            json.WriteEndObject();
        }
        textWriter.Write(Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
        textWriter.Write('\n');
    }

    /// <summary>As the configuration names them.</summary>
    private static string LevelOf(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        LogLevel.Error => "error",
        _ => "critical",
    };

    private static void WriteValues(Utf8JsonWriter json, IReadOnlyList<KeyValuePair<string, object?>> values)
    {
        var written = new HashSet<string>(Reserved, StringComparer.Ordinal);
        // An owner and its name, such as "listener" and "mqtt", are named as in other entries about a listener.
        string? owner = values.FirstOrDefault(v => v.Key is "Owner" or "Kind").Value as string;
        foreach ((string key, object? value) in values)
        {
            string name = key switch
            {
                "{OriginalFormat}" => "message",
                "Remote" => "client",
                "Owner" or "Kind" when owner is "listener" or "pool" => "message",
                "Name" when owner is "listener" or "pool" => owner,
                _ => EventFeed.Word(key),
            };
            if (!written.Add(name)) continue;
            json.WritePropertyName(name);
            WriteValue(json, value);
        }
    }

    private static void WriteValue(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null: json.WriteNullValue(); break;
            case bool flag: json.WriteBooleanValue(flag); break;
            case int number: json.WriteNumberValue(number); break;
            case long number: json.WriteNumberValue(number); break;
            case double number when double.IsFinite(number): json.WriteNumberValue(number); break;
            case DateTimeOffset at: json.WriteStringValue(TimeText.Of(at)); break;
            default: json.WriteStringValue(Cut(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")); break;
        }
    }

    private static string Cut(string text) => SafeText.Shortened(text, LongestMessage);
}
