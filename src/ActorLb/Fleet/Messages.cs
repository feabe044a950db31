namespace ActorLb.Fleet;

/// <summary>What a sender meets when the mailbox is full.</summary>
internal enum FullMailbox
{
    /// <summary><see cref="Actor{T}.TryPost"/> refuses, counts a drop and fails the message's waiter.</summary>
    Refuse,

    /// <summary><see cref="Actor{T}.PostAsync"/> waits for room. <see cref="Actor{T}.TryPost"/> still refuses.</summary>
    Wait,
}

/// <summary>A message that somebody awaits.</summary>
internal interface IAwaitedMessage
{
    /// <summary>The message will not be answered: dropped, stopped, or its handling threw.</summary>
    void Fail(Exception reason);
}

/// <summary>The answer to an awaited message. Continuations never run on the actor's loop.</summary>
internal sealed class Reply<T>
{
    private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Task => _source.Task;

    public void Set(T value) => _source.TrySetResult(value);

    public void Fail(Exception reason) => _source.TrySetException(reason);
}

/// <summary>The actor will not handle the message: its mailbox is full or it has stopped.</summary>
internal sealed class MailboxException(string message) : Exception(message);
