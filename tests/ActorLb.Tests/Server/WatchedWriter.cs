using ActorLb.Testing;

namespace ActorLb.Tests.Server;

/// <summary>What a bench writes, and when it has written a line with a certain text.</summary>
internal sealed class WatchedWriter(string part) : StringWriter
{
    private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Seen => _seen.Task.WaitAsync(Wait.Patience);

    public override void WriteLine(string? value)
    {
        base.WriteLine(value);
        if (value?.Contains(part, StringComparison.Ordinal) == true) _seen.TrySetResult();
    }
}
