using System.Buffers;
using System.Security;
using System.Text.Unicode;

namespace ActorLb.Configuration.Hocon;

/// <summary>Bytes of a file to text: "files must be valid UTF-8"; a byte order mark at the start is passed.</summary>
internal static class HoconFile
{
    /// <param name="at">Where the file is named: the position of an error about the file as a whole.</param>
    public static string ReadText(string file, SourcePosition at, string path)
    {
        byte[] bytes;
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            bytes = ReadAll(stream, file, at, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SecurityException or NotSupportedException
            or ArgumentException)
        {
            throw new HoconException(at, path, $"cannot read '{file}': {FileProblem.Describe(e, file)}");
        }
        return Decode(bytes, file, path);
    }

    /// <summary>Reads what there is rather than what the length says: pipes and files of /proc have none.</summary>
    private static byte[] ReadAll(FileStream stream, string file, SourcePosition at, string path)
    {
        var result = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            int read = stream.Read(buffer);
            if (read == 0) return result.ToArray();
            if (result.Length + read > HoconLimits.FileBytes)
            {
                throw new HoconException(at, path, $"'{file}' is larger than {HoconLimits.FileBytes >> 20} MiB");
            }
            result.Write(buffer, 0, read);
        }
    }

    private static string Decode(ReadOnlySpan<byte> bytes, string file, string path)
    {
        if (bytes.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
        char[] chars = new char[bytes.Length];
        OperationStatus status = Utf8.ToUtf16(bytes, chars, out _, out int written, replaceInvalidSequences: false);
        if (status == OperationStatus.Done) return new string(chars, 0, written);
        var scanner = new HoconScanner(new string(chars, 0, written), file);
        while (!scanner.AtEnd) scanner.Advance();
        throw new HoconException(scanner.Position, path, "the file is not valid UTF-8 from here");
    }
}
