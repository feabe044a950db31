using System.Runtime.CompilerServices;
using System.Text;

namespace ActorLb.Native;

/// <summary>
/// Reads a small file that another process holds locked. The runtime takes a lock of its own (flock(2)) on every file that it opens,
/// so it cannot even look at one that is held exclusively.
/// </summary>
internal static unsafe class UnlockedFile
{
    private const int O_RDONLY = 0, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000; // asm-generic/fcntl.h
    private const int MaxLength = 256;

    /// <returns>At most 256 characters; null when the file cannot be read.</returns>
    public static string? ReadAscii(string path)
    {
        if (FileStatus.Of(path) != FileKind.Regular) return null;
        return Libc.IsAvailable ? ReadUnlocked(path) : ReadShared(path);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string? ReadUnlocked(string path)
    {
        int fd = Libc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) return null;
        byte* buffer = stackalloc byte[MaxLength];
        nint length = Libc.read(fd, buffer, MaxLength);
        Libc.close(fd);
        return length < 0 ? null : Encoding.ASCII.GetString(buffer, (int)length);
    }

    private static string? ReadShared(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            byte[] buffer = new byte[MaxLength];
            return Encoding.ASCII.GetString(buffer, 0, file.Read(buffer, 0, MaxLength));
        }
        catch (IOException)
        {
            return null;
        }
    }
}
