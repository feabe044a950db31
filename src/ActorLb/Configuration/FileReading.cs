namespace ActorLb.Configuration;

/// <summary>
/// Runs what reads files on a thread of its own and bounds how long it is waited for: a file system of the network that is gone keeps a
/// thread in the kernel, and nothing can end that. Such a thread is left behind; a node that has several of them reads nothing more until
/// one comes back.
/// </summary>
internal static class FileReading
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private const int MostAbandoned = 4;

    private static int s_abandoned;
    private static volatile string s_lastAbandoned = "";

    [ThreadStatic]
    private static Progress? s_progress;

    /// <summary>Tells which file this thread is about to read.</summary>
    public static void Note(string file)
    {
        if (s_progress is not { } progress) return;
        progress.File = file;
        Interlocked.Increment(ref progress.Files);
    }

    /// <param name="discard">Gets a result that comes too late.</param>
    /// <param name="deadline">For each file; null is <see cref="Deadline"/>.</param>
    /// <exception cref="IOException">It takes too long; the message names the file. Or the system has no thread for it.</exception>
    /// <exception cref="OperationCanceledException">Nobody wants the result any more.</exception>
    public static async Task<T> RunAsync<T>(
        Func<T> read, CancellationToken cancel = default, Action<T>? discard = null, TimeSpan? deadline = null)
    {
        int abandoned = Volatile.Read(ref s_abandoned);
        if (abandoned >= MostAbandoned) throw new IOException($"{abandoned} files are still being read that take for ever, {s_lastAbandoned} the last of them");
        TimeSpan within = deadline ?? Deadline;
        var progress = new Progress();
        Task<T> reading = Start(() =>
        {
            s_progress = progress;
            return read();
        });
        for (long before = -1; !reading.IsCompleted && !cancel.IsCancellationRequested;)
        {
            // Many files take their time together; one alone does not.
            long files = Interlocked.Read(ref progress.Files);
            if (files == before) break;
            before = files;
            await Task.WhenAny(reading, Task.Delay(within, cancel)).ConfigureAwait(false);
        }
        if (reading.IsCompleted) return await reading.ConfigureAwait(false);

        string file = progress.File ?? "a file";
        s_lastAbandoned = file;
        Interlocked.Increment(ref s_abandoned);
        _ = reading.ContinueWith(
            late =>
            {
                Interlocked.Decrement(ref s_abandoned);
                if (late.IsCompletedSuccessfully) discard?.Invoke(late.Result);
                else _ = late.Exception;
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        cancel.ThrowIfCancellationRequested();
        throw new IOException($"reading {file} takes longer than {within.TotalSeconds} s");
    }

    /// <summary>For a command, which has nothing else to do meanwhile.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public static T Run<T>(Func<T> read) => RunAsync(read).GetAwaiter().GetResult();

    private static Task<T> Start<T>(Func<T> read)
    {
        try
        {
            return Task.Factory.StartNew(
                read, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
        }
        catch (TaskSchedulerException e)
        {
            // The runtime calls it OutOfMemoryException, whatever it lacks: open files, most of the time.
            throw new IOException("files cannot be read: the system gives no thread for it, for want of open files, memory or threads", e);
        }
    }

    private sealed class Progress
    {
        public volatile string? File;
        public long Files;
    }
}
