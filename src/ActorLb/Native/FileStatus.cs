using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ActorLb.Native;

internal enum FileKind { Missing, Regular, Directory, Pipe, Socket, Device, NoPermission, Unknown }

/// <summary>What kind of thing a name stands for, symbolic links followed, without opening it: to open a pipe waits for its other end,
/// and to open a device may do anything.</summary>
internal static unsafe partial class FileStatus
{
    // fcntl.h, stat.h of the kernel's UAPI; errno-base.h
    private const int AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000;
    private const uint STATX_TYPE = 0x1, STATX_NLINK = 0x4, STATX_INO = 0x100;
    private const int ENOENT = 2, ENOTDIR = 20;
    private const int S_IFMT = 0xF000, S_IFIFO = 0x1000, S_IFCHR = 0x2000, S_IFDIR = 0x4000, S_IFBLK = 0x6000, S_IFREG = 0x8000, S_IFSOCK = 0xC000;

    // struct statx, the same on all architectures: stx_nlink, stx_mode, stx_ino, stx_rdev_major, stx_rdev_minor and stx_dev_major with
    // stx_dev_minor behind it.
    private const int StatxLength = 256, NlinkAt = 16, ModeAt = 28, InodeAt = 32, MajorAt = 128, MinorAt = 132, DeviceAt = 136;

    // Documentation/admin-guide/devices.txt: the null device reads as an empty file.
    private const uint NullMajor = 1, NullMinor = 3;

    public static FileKind Of(string path)
    {
        if (path.Contains('\0', StringComparison.Ordinal)) return FileKind.Missing;
        if (Libc.IsAvailable) return Ask(path);
        return Directory.Exists(path) ? FileKind.Directory : File.Exists(path) ? FileKind.Regular : FileKind.Missing;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static FileKind Ask(string path)
    {
        byte* status = stackalloc byte[StatxLength];
        if (statx(AT_FDCWD, path, 0, STATX_TYPE, status) == 0) return KindOf(status);
        return Marshal.GetLastPInvokeError() switch
        {
            ENOENT or ENOTDIR => FileKind.Missing,
            Libc.EACCES => FileKind.NoPermission,
            _ => FileKind.Unknown,
        };
    }

    /// <summary>Whether this user may write a file, or make files in a folder.</summary>
    public static bool IsWritable(string path) => access(path, W_OK) == 0;

    /// <summary>Whether an open file has lost its last name: nobody can read what is written to it.</summary>
    public static bool IsUnlinked(int descriptor)
    {
        byte* status = stackalloc byte[StatxLength];
        return statx(descriptor, "", AT_EMPTY_PATH, STATX_TYPE | STATX_NLINK, status) == 0
            && KindOf(status) == FileKind.Regular && *(uint*)(status + NlinkAt) == 0;
    }

    /// <summary>Whether the name stands for the open file, as it did when it was opened.</summary>
    public static bool Names(string path, int descriptor)
    {
        byte* named = stackalloc byte[StatxLength], opened = stackalloc byte[StatxLength];
        return statx(AT_FDCWD, path, 0, STATX_INO, named) == 0 && statx(descriptor, "", AT_EMPTY_PATH, STATX_INO, opened) == 0
            && *(ulong*)(named + InodeAt) == *(ulong*)(opened + InodeAt) && *(ulong*)(named + DeviceAt) == *(ulong*)(opened + DeviceAt);
    }

    private static FileKind KindOf(byte* status) => (*(ushort*)(status + ModeAt) & S_IFMT) switch
    {
        S_IFREG => FileKind.Regular,
        S_IFDIR => FileKind.Directory,
        S_IFIFO => FileKind.Pipe,
        S_IFSOCK => FileKind.Socket,
        S_IFCHR when *(uint*)(status + MajorAt) == NullMajor && *(uint*)(status + MinorAt) == NullMinor => FileKind.Regular,
        S_IFCHR or S_IFBLK => FileKind.Device,
        _ => FileKind.Unknown,
    };

    private const int W_OK = 2; // unistd.h

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    // Not without the GC's transition: a file system of the network may keep it for long.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int statx(int folder, string path, int flags, uint mask, byte* status);
}
