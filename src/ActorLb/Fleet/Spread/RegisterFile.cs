using System.Runtime.Serialization;
using System.Security.Cryptography;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// Registers on disk: <c>"ALBR" | version u8 | the serializer's bytes | SHA-256 of everything before</c>. Written to a temporary
/// file, flushed to the disk, then renamed: after a crash the file is either the old or the new one, complete.
/// </summary>
internal static class RegisterFile
{
    public const string Extension = ".state";

    private const byte Version = 1;
    private const int HeaderLength = 5;

    private static ReadOnlySpan<byte> Magic => "ALBR"u8;

    /// <summary>The path of the file with a key's registers.</summary>
    public static string PathOf(string folder, string key) => Path.Combine(folder, Uri.EscapeDataString(key) + Extension);

    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to the file is denied.</exception>
    public static void Write(string path, Registers registers)
    {
        byte[] body = SpreadSerializer.Write(registers);
        byte[] bytes = new byte[HeaderLength + body.Length + SHA256.HashSizeInBytes];
        Magic.CopyTo(bytes);
        bytes[4] = Version;
        body.CopyTo(bytes, HeaderLength);
        SHA256.HashData(bytes.AsSpan(0, HeaderLength + body.Length), bytes.AsSpan(HeaderLength + body.Length));
        string temporary = path + ".new";
        // Ticket keys and the hash key are secrets.
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.None,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using (var file = new FileStream(temporary, options))
        {
            file.Write(bytes);
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }

    /// <returns>Null if the file doesn't exist.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to the file is denied.</exception>
    /// <exception cref="SerializationException">The file is damaged.</exception>
    public static Registers? Read(string path)
    {
        if (!File.Exists(path)) return null;
        byte[] bytes = File.ReadAllBytes(path);
        int end = bytes.Length - SHA256.HashSizeInBytes;
        if (end < HeaderLength || !bytes.AsSpan().StartsWith(Magic)) throw new SerializationException("it is not a file of the fleet's state");
        if (!SHA256.HashData(bytes.AsSpan(0, end)).AsSpan().SequenceEqual(bytes.AsSpan(end))) throw new SerializationException("its checksum is wrong");
        if (bytes[4] != Version) throw new SerializationException($"it has version {bytes[4]}, this program reads version {Version}");
        return SpreadSerializer.ReadRegisters(bytes.AsSpan(HeaderLength, end - HeaderLength));
    }

    /// <summary>Renames a damaged file, so that it can be inspected.</summary>
    /// <returns>The new path.</returns>
    public static string SetAside(string path)
    {
        string aside = path + ".damaged";
        File.Move(path, aside, overwrite: true);
        return aside;
    }
}
