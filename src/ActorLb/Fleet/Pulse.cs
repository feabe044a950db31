namespace ActorLb.Fleet;

/// <summary>
/// Wakes those who wait for a condition that other threads change: take <see cref="Next"/>, check the condition, then await the task.
/// Thread-safe; raising it allocates nothing while nobody waits.
/// </summary>
internal sealed class Pulse
{
    private TaskCompletionSource? _next;

    /// <summary>Completes at the next <see cref="Raise"/>.</summary>
    public Task Next
    {
        get
        {
            if (Volatile.Read(ref _next) is { } waited) return waited.Task;
            var made = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return (Interlocked.CompareExchange(ref _next, made, null) ?? made).Task;
        }
    }

    public void Raise() => Interlocked.Exchange(ref _next, null)?.TrySetResult();
}
