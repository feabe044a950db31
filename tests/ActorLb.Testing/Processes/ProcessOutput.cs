namespace ActorLb.Testing.Processes;

/// <summary>The lines that a process wrote, and those who wait for one.</summary>
internal sealed class ProcessOutput(string program)
{
    // Guards the fields below; lines come from two reader threads, waits from tests.
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];
    private readonly List<Waiter> _waiters = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _openStreams = 2;

    public string Program { get; } = program;

    /// <summary>Completes when both streams have ended.</summary>
    public Task Ended => _ended.Task;

    public IReadOnlyList<string> Snapshot()
    {
        lock (_gate)
            return [.. _lines];
    }

    /// <summary>Takes a line, or null at the end of one of the two streams.</summary>
    public void Add(string? line)
    {
        lock (_gate)
        {
            if (line is null)
            {
                if (--_openStreams > 0)
                    return;
                foreach (var waiter in _waiters)
                    waiter.Found.TrySetException(new ProcessEndedException(Program, null, string.Join('\n', _lines)));
                _waiters.Clear();
                _ended.TrySetResult();
                return;
            }

            _lines.Add(line);
            _waiters.RemoveAll(waiter => waiter.Fits(line) && waiter.Found.TrySetResult(line));
        }
    }

    public Task<string> WaitAsync(Func<string, bool> fits, int from)
    {
        lock (_gate)
        {
            for (int i = from; i < _lines.Count; i++)
            {
                if (fits(_lines[i]))
                    return Task.FromResult(_lines[i]);
            }

            if (_openStreams == 0)
                return Task.FromException<string>(new ProcessEndedException(Program, null, string.Join('\n', _lines)));
            var waiter = new Waiter(fits, new(TaskCreationOptions.RunContinuationsAsynchronously));
            _waiters.Add(waiter);
            return waiter.Found.Task;
        }
    }

    private sealed record Waiter(Func<string, bool> Fits, TaskCompletionSource<string> Found);
}
