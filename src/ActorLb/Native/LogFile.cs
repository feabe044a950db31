using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ActorLb.Native;

/// <summary>
/// A file, pipe or the standard output to which lines are appended, by one thread. A pipe that nobody reads makes no call wait for longer
/// than it was told to; a disk may, which is why no reactor calls this.
/// </summary>
internal sealed unsafe partial class LogFile : IDisposable
{
    // asm-generic/fcntl.h, poll.h
    private const int O_WRONLY = 1, O_CREAT = 0x40, O_NOCTTY = 0x100, O_APPEND = 0x400, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000;
    private const short POLLOUT = 4;
    private const int ENOENT = 2, EIO = 5; // asm-generic/errno-base.h
    private const uint Mode = 0x1A4; // rw-r--r--, less the umask

    // POSIX PIPE_BUF: a pipe that poll(2) calls writable takes so many bytes at once without waiting.
    private const int PipeBuffer = 4096;

    private readonly int _descriptor;
    private readonly bool _isShared;

    // Where there are no such calls; null where there are.
    private readonly Stream? _stream;

    private LogFile(int descriptor, bool isShared, Stream? stream = null)
    {
        _descriptor = descriptor;
        _isShared = isShared;
        _stream = stream;
    }

    /// <summary>The process's own. It stays as it is, blocking: others may have the same open.</summary>
    public static LogFile StandardOutput() =>
        new(1, isShared: true, Libc.IsAvailable ? null : Console.OpenStandardOutput());

    /// <summary>Opens or creates a file for appending; null with the errno when that fails. A pipe without a reader is ENXIO.</summary>
    public static LogFile? Open(string path, out int errno)
    {
        return Libc.IsAvailable ? OpenDescriptor(path, out errno) : OpenStream(path, out errno);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static LogFile? OpenDescriptor(string path, out int errno)
    {
        int descriptor;
        do
        {
            descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, Mode);
            errno = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
        while (errno == Libc.EINTR);
        return descriptor < 0 ? null : new LogFile(descriptor, isShared: false);
    }

    /// <summary>Whether nobody can read any more what is written, since the file has lost its last name.</summary>
    public bool IsUnlinked => !_isShared && _stream is null && FileStatus.IsUnlinked(_descriptor);

    /// <summary>Whether its name stands for another file by now, or for none.</summary>
    public bool IsReplaced(string path) => !_isShared && _stream is null && !FileStatus.Names(path, _descriptor);

    /// <summary>Writes some of the bytes: how many, or 0 with the errno; EAGAIN when there was no room within the time.</summary>
    public int Write(ReadOnlySpan<byte> bytes, int milliseconds, out int errno)
    {
        return _stream is null ? WriteDescriptor(bytes, milliseconds, out errno) : WriteStream(bytes, out errno);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int WriteDescriptor(ReadOnlySpan<byte> bytes, int milliseconds, out int errno)
    {
        int length = _isShared ? Math.Min(bytes.Length, PipeBuffer) : bytes.Length;
        bool waited = false;
        while (true)
        {
            if (_isShared || waited)
            {
                if (!WaitForRoom(milliseconds, out errno)) return 0;
            }
            nint written;
            fixed (byte* first = bytes) written = write(_descriptor, first, (nuint)length);
            if (written > 0)
            {
                errno = 0;
                return (int)written;
            }
            errno = Marshal.GetLastPInvokeError();
            if (errno == Libc.EAGAIN && !waited) waited = true;
            else if (errno != Libc.EINTR) return 0;
        }
    }

    public void Dispose()
    {
        if (_stream is not null) _stream.Dispose();
        else if (!_isShared) CloseDescriptor();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void CloseDescriptor() => close(_descriptor);

    private static LogFile? OpenStream(string path, out int errno)
    {
        try
        {
            errno = 0;
            return new LogFile(-1, isShared: false, new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errno = ErrnoOf(e);
            return null;
        }
    }

    private int WriteStream(ReadOnlySpan<byte> bytes, out int errno)
    {
        try
        {
            _stream!.Write(bytes);
            errno = 0;
            return bytes.Length;
        }
        catch (IOException e)
        {
            errno = ErrnoOf(e);
            return 0;
        }
    }

    private static int ErrnoOf(Exception e) => e switch
    {
        UnauthorizedAccessException => Libc.EACCES,
        DirectoryNotFoundException or FileNotFoundException => ENOENT,
        _ => EIO,
    };

    private bool WaitForRoom(int milliseconds, out int errno)
    {
        var wanted = new PollDescriptor { Descriptor = _descriptor, Events = POLLOUT };
        int ready = poll(&wanted, 1, milliseconds);
        // If something is wrong with the descriptor, write(2) reports it.
        errno = ready > 0 ? 0 : ready == 0 || Marshal.GetLastPInvokeError() == Libc.EINTR ? Libc.EAGAIN : Marshal.GetLastPInvokeError();
        return ready > 0;
    }

    // struct pollfd, poll.h
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    // All may wait for a disk, so none of them holds up the GC.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, byte* bytes, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
