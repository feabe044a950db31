using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace ActorLb.Testing;

/// <summary>Keeps every line that was logged.</summary>
internal sealed class CollectedLog : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();

    public IReadOnlyList<(LogLevel Level, string Text)> Lines => [.. _lines];

    /// <summary>Waits for such a line: a state may be seen by others before what has changed it logs that.</summary>
    public Task LineAsync(Func<(LogLevel Level, string Text), bool> fits) => Wait.UntilAsync(
        () => _lines.Any(fits), () => $"No such line among these:\n{string.Join('\n', _lines.Select(l => $"{l.Level} {l.Text}"))}");

    /// <summary>As <see cref="LineAsync"/>; the line, when it is the only one so far.</summary>
    public async Task<(LogLevel Level, string Text)> OnlyLineAsync(Func<(LogLevel Level, string Text), bool> fits)
    {
        await LineAsync(fits);
        return _lines.Single(fits);
    }

    /// <summary>Forgets the lines, and their memory.</summary>
    public void Clear() => _lines.Clear();

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue((logLevel, exception is null ? formatter(state, null) : $"{formatter(state, exception)}: {exception}"));

    public void Dispose()
    {
        // Its lines are read after the node is gone.
    }
}
