using System.Text;
using ActorLb.Protocol.Failures;

namespace ActorLb.Cli;

/// <summary>Reads a file given on the command line: a regular file or a pipe, such as a shell's &lt;(...), of bounded size and within a
/// bounded time. A file that cannot be read is a <see cref="UsageException"/> that names the file and the reason.</summary>
internal static class InputFile
{
    private const int LargestBytes = 16 << 20;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <param name="what">A prefix such as an option, with a trailing space; may be empty.</param>
    public static string ReadText(string what, string file)
    {
        try
        {
            // A thread blocked on a pipe or on a dead file system lives until the program exits.
            var reading = Task.Run(() => Read(file));
            if (!reading.Wait(Deadline)) throw new UsageException($"{what}{file}: could not be read within {Deadline.TotalSeconds} s");
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
