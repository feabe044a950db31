namespace ActorLb.Configuration;

/// <summary>
/// Reads files on a separate thread with a time limit: an unreachable network file system blocks the thread in the kernel, and nothing
/// can end that. Such a thread is abandoned; with several of them the node reads no more files until one
/// returns.
/// </summary>
internal static class FileReading
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private const int MostAbandoned = 4;

    private static int s_abandoned;
    private static volatile string s_lastAbandoned = "";

    [ThreadStatic]
    private static Progress? s_progress;

    /// <summary>Records which file this thread is about to read.</summary>
    public static void Note(string file)
    {
        if (s_progress is not { } progress) return;
        progress.File = file;
        Interlocked.Increment(ref progress.Files);
    }

    /// <param name="discard">Receives a result that comes too late.</param>
    /// <param name="deadline">Per file; null for <see cref="Deadline"/>.</param>
    /// <exception cref="IOException">It takes too long; the message names the file. Or no thread can be started.</exception>
    /// <exception cref="OperationCanceledException">The result is no longer wanted.</exception>
    public static async Task<T> RunAsync<T>(
        Func<T> read, Action<T>? discard = null, TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        int abandoned = Volatile.Read(ref s_abandoned);
        if (abandoned >= MostAbandoned) throw new IOException($"{abandoned} earlier reads of files are still blocked, the last one on {s_lastAbandoned}");
        var within = deadline ?? Deadline;
        var progress = new Progress();
        var reading = Start(() =>
        {
            s_progress = progress;
            return read();
        });
        for (long before = -1; !reading.IsCompleted && !cancel.IsCancellationRequested;)
        {
            // Reading many files takes time; a single one should not.
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
        throw new IOException($"{file} could not be read within {within.TotalSeconds} s");
    }

    /// <inheritdoc cref="RunAsync{T}(Func{T}, Action{T}?, TimeSpan?, CancellationToken)"/>
    public static Task<T> RunAsync<T>(Func<T> read, CancellationToken cancel) => RunAsync(read, discard: null, deadline: null, cancel);

    /// <summary>For a command, which can wait.</summary>
    /// <inheritdoc cref="RunAsync{T}(Func{T}, Action{T}?, TimeSpan?, CancellationToken)"/>
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
            // The runtime throws OutOfMemoryException for any shortage, usually of open files.
            throw new IOException("files cannot be read: no thread can be started, for lack of open files, memory or threads", e);
        }
    }

    private sealed class Progress
    {
        public volatile string? File;
        public long Files;
    }
}
