using System.Text;
using ActorLb.Protocol.Failures;

namespace ActorLb.Cli;

/// <summary>Reads a file of the command line: a regular file or a pipe, such as a shell makes of &lt;(...), of a bounded size and within a
/// bounded time. What cannot be read is a <see cref="UsageException"/> that names the file and the reason.</summary>
internal static class InputFile
{
    private const int LargestBytes = 16 << 20;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <param name="what">Such as an option, with a blank behind it; may be empty.</param>
    public static string ReadText(string what, string file)
    {
        try
        {
            // The thread that waits for a pipe or a file system that is gone is left to the end of the program.
            Task<string> reading = Task.Run(() => Read(file));
            if (!reading.Wait(Deadline)) throw new UsageException($"{what}{file}: reading it takes longer than {Deadline.TotalSeconds} s");
            return reading.Result;
        }
        catch (AggregateException e) when (e.InnerException is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UsageException($"{what}{file}: {FileFailure.Describe(e.InnerException, file)}");
        }
    }

    private static string Read(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
        var bytes = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            if (bytes.Length + read > LargestBytes) throw new IOException($"it is larger than {LargestBytes >> 20} MiB");
            bytes.Write(buffer, 0, read);
        }
        bytes.Position = 0;
        using var reader = new StreamReader(bytes, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
