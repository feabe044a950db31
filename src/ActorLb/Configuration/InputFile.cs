using System.Text;
using ActorLb.Native;
using ActorLb.Protocol.Failures;

namespace ActorLb.Configuration;

/// <summary>
/// Reads the configuration and the files that it names: only regular files of limited size, so that a pipe
/// with a silent writer or an endless device blocks neither a reload nor what waits for it. Error messages are worded to
/// follow the file's name.
/// </summary>
internal static class InputFile
{
    public const int LargestBytes = 16 << 20;

    /// <param name="pipes">Whether a pipe is allowed: for a command that a shell may give one, and that a user can interrupt.</param>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission denied.</exception>
    /// <exception cref="IOException">It cannot be read, is larger than <see cref="LargestBytes"/>, or is not a regular file.</exception>
    public static byte[] ReadBytes(string path, bool pipes = false)
    {
        FileReading.Note(path);
        Demand(path, pipes);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
            return ReadAll(stream);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileNotFoundException("it does not exist", path, e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UnauthorizedAccessException("permission denied", e);
        }
        catch (Exception e) when (e is NotSupportedException or ArgumentException)
        {
            throw new IOException(FileFailure.Describe(e, path), e);
        }
    }

    /// <summary>UTF-8; a byte order mark at the start is skipped.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    public static string ReadText(string path, bool pipes = false)
    {
        using var reader = new StreamReader(new MemoryStream(ReadBytes(path, pipes)), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>Throws unless the file can be opened and read without blocking.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    public static void Demand(string path, bool pipes = false)
    {
        switch (FileStatus.Of(path))
        {
            case FileKind.Regular: return;
            case FileKind.Pipe when pipes: return;
            case FileKind.Missing: throw new FileNotFoundException("it does not exist", path);
            case FileKind.NoPermission: throw new UnauthorizedAccessException("permission denied");
            case FileKind.Directory: throw new IOException("it is a directory");
            case FileKind.Pipe: throw new IOException("it is a pipe, not a regular file");
            case FileKind.Socket: throw new IOException("it is a socket, not a regular file");
            case FileKind.Device: throw new IOException("it is a device, not a regular file");
            default: return; // Opening it will fail too, with the reason.
        }
    }

    /// <summary>Reads to the end, whatever length is reported: pipes and files in /proc report none.</summary>
    private static byte[] ReadAll(FileStream stream)
    {
        var result = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            if (result.Length + read > LargestBytes) throw new IOException($"it is larger than {LargestBytes >> 20} MiB");
            result.Write(buffer, 0, read);
        }
        // A key or a token must not remain in memory.
        Array.Clear(buffer);
        byte[] bytes = result.ToArray();
        Array.Clear(result.GetBuffer());
        return bytes;
    }
}
