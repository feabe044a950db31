using System.Buffers;
using System.Security;
using System.Text.Unicode;

namespace ActorLb.Configuration.Hocon;

/// <summary>Decodes a file: "files must be valid UTF-8"; a byte order mark at the start is skipped.</summary>
internal static class HoconFile
{
    /// <param name="at">Where the file is named: the position of an error about the whole file.</param>
    /// <param name="pipes">As in <see cref="InputFile.ReadBytes"/>.</param>
    public static string ReadText(string file, SourcePosition at, string path, bool pipes = false)
    {
        byte[] bytes;
        try
        {
            bytes = InputFile.ReadBytes(file, pipes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SecurityException)
        {
            throw new HoconException(at, path, $"cannot read '{file}': {FileProblem.Describe(e, file)}");
        }
        return Decode(bytes, file, path);
    }

    private static string Decode(ReadOnlySpan<byte> bytes, string file, string path)
    {
        if (bytes.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
        char[] chars = new char[bytes.Length];
        var status = Utf8.ToUtf16(bytes, chars, out _, out int written, replaceInvalidSequences: false);
        if (status == OperationStatus.Done) return new string(chars, 0, written);
        var scanner = new HoconScanner(new string(chars, 0, written), file);
        while (!scanner.AtEnd) scanner.Advance();
        throw new HoconException(scanner.Position, path, "the file is not valid UTF-8 from here");
    }
}
