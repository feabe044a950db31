using System.Text;
using ActorLb.Native;
using ActorLb.Protocol.Failures;

namespace ActorLb.Configuration;

/// <summary>
/// Reads the files that a configuration names, and the configuration itself: regular files of a bounded size alone, so that a pipe
/// whose other end is silent or a device without an end holds up neither a reload nor what waits for it. Errors are told in words that
/// may follow the file's name.
/// </summary>
internal static class InputFile
{
    public const int LargestBytes = 16 << 20;

    /// <param name="pipes">Whether a pipe will do: for a command that a shell may give one, and which somebody can interrupt.</param>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission denied.</exception>
    /// <exception cref="IOException">It cannot be read, is larger than <see cref="LargestBytes"/> or no regular file.</exception>
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

    /// <summary>UTF-8; a byte order mark at the start is passed.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    public static string ReadText(string path, bool pipes = false)
    {
        using var reader = new StreamReader(new MemoryStream(ReadBytes(path, pipes)), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>Throws unless the file may be opened and read without waiting for somebody.</summary>
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
            default: return; // To open it will fail as well, and tell why.
        }
    }

    /// <summary>What there is rather than what the length says: pipes and files of /proc have none.</summary>
    private static byte[] ReadAll(FileStream stream)
    {
        var result = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            if (result.Length + read > LargestBytes) throw new IOException($"it is larger than {LargestBytes >> 20} MiB");
            result.Write(buffer, 0, read);
        }
        // A key or a token must not stay behind.
        Array.Clear(buffer);
        byte[] bytes = result.ToArray();
        Array.Clear(result.GetBuffer());
        return bytes;
    }
}
