using System.Text;
using ActorLb.Configuration;
using ActorLb.Native;
using Microsoft.Extensions.Logging;

namespace ActorLb.Telemetry;

/// <summary>The writing half of the access log: buffered lines, the file, and its problems. Used only by its thread,
/// except <see cref="Cause"/>.</summary>
internal sealed partial class AccessLogWriter(string path, AccessLogCounters counters, ILogger logger) : IDisposable
{
    /// <summary>Between two attempts while there is a problem.</summary>
    public static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private const int RepeatLogMs = 60_000, RoomWaitMs = 2_000, LookMs = 1_000;
    private const int UsualBuffer = 64 * 1024, FullAt = 32 * 1024;

    private const int EPERM = 1, ENOENT = 2, ENXIO = 6, ENOTDIR = 20, EISDIR = 21, EFBIG = 27, ENOSPC = 28, EROFS = 30, EDQUOT = 122; // errno-base.h, errno.h

    private readonly StringBuilder _line = new();
    private byte[] _buffer = new byte[UsualBuffer];
    private int _start, _end;
    private LogFile? _file;

    // The last write to the file failed.
    private bool _isStuck;

    // Whether the bytes before _start ended within a line.
    private bool _withinLine;

    // A new file is wanted but could not be opened; meanwhile the old one, if any, is written.
    private bool _wanted;
    private long _lookedAt, _loggedAt, _lostBefore;
    private volatile int _cause = -1;

    /// <summary>What prevents writing, or null. Any thread.</summary>
    public AccessLogCause? Cause => _cause is >= 0 and var cause ? (AccessLogCause)cause : null;

    public bool HasLines => _start < _end;

    public bool HasRoom => _end - _start < FullAt;

    /// <summary>Whether a file has still to be opened.</summary>
    public bool IsMissing => _wanted;

    private bool IsStandardOutput => path == "stdout";

    /// <summary>The problem with the file, or null; a pipe that has no reader yet is not a problem.</summary>
    public string? TryOpenFirst()
    {
        if (IsStandardOutput)
        {
            _file = LogFile.StandardOutput();
            return null;
        }
        _file = LogFile.Open(path, out int errno);
        if (_file is not null) return null;
        if (errno != ENXIO || FileStatus.Of(path) != FileKind.Pipe) return ReasonOf(errno, path);
        _wanted = true;
        Fail(errno);
        return null;
    }

    /// <summary>Reopens the file. While that fails the old one is still used, unless it cannot be written or is no longer
    /// reachable.</summary>
    public void Reopen()
    {
        if (IsStandardOutput) return;
        _wanted = true;
        TryOpen();
    }

    public bool TryOpen()
    {
        var opened = LogFile.Open(path, out int errno);
        if (opened is null)
        {
            if (_isStuck || _file is { IsUnlinked: true }) Close();
            Fail(errno);
            return false;
        }
        Close();
        _file = opened;
        _wanted = false;
        if (!HasLines) Heal();
        return true;
    }

    public void Append(in AccessLogEntry entry, LogFormat format)
    {
        _line.Clear();
        entry.AppendTo(_line, format);
        _line.Append('\n');
        int most = Encoding.UTF8.GetMaxByteCount(_line.Length);
        if (_buffer.Length - _end < most) MakeRoom(most);
        foreach (var chunk in _line.GetChunks()) _end += Encoding.UTF8.GetBytes(chunk.Span, _buffer.AsSpan(_end));
    }

    /// <summary>Writes all buffered lines; false when something prevents it, which is then reported.</summary>
    public bool TryFlush()
    {
        Look();
        if (_wanted && !TryOpen() && _file is null) return false;
        while (HasLines)
        {
            int written = _file!.Write(_buffer.AsSpan(_start, _end - _start), RoomWaitMs, out int errno);
            if (written == 0)
            {
                Fail(errno);
                _isStuck = true;
                // A full disk may have room again; in all other cases the file is reopened.
                if (CauseOf(errno) is not (AccessLogCause.DiskFull or AccessLogCause.Blocked) && !IsStandardOutput)
                {
                    Close();
                    _wanted = true;
                }
                return false;
            }
            _isStuck = false;
            _start += written;
            _withinLine = _buffer[_start - 1] != '\n';
        }
        _start = _end = 0;
        if (_buffer.Length > UsualBuffer) _buffer = new byte[UsualBuffer];
        if (!_wanted) Heal();
        return true;
    }

    /// <summary>Counts what is left as lost.</summary>
    /// <param name="waiting">Lines that never got into the buffer.</param>
    public void GiveUp(int waiting)
    {
        int lines = waiting + _buffer.AsSpan(_start, _end - _start).Count((byte)'\n');
        if (lines == 0) return;
        counters.Lost(Cause ?? AccessLogCause.Slow, lines);
        Log.Lost(logger, path, lines);
    }

    public void Dispose() => Close();

    public static AccessLogCause CauseOf(int errno) => errno switch
    {
        ENOSPC or EDQUOT or EFBIG => AccessLogCause.DiskFull,
        EISDIR => AccessLogCause.Directory,
        ENOENT or ENOTDIR => AccessLogCause.NoFolder,
        Libc.EACCES or EPERM or EROFS => AccessLogCause.Permission,
        ENXIO or Libc.EPIPE => AccessLogCause.NoReader,
        Libc.EAGAIN => AccessLogCause.Blocked,
        Libc.EMFILE or Libc.ENFILE => AccessLogCause.OpenFiles,
        _ => AccessLogCause.Other,
    };

    private static string ReasonOf(int errno, string path) => errno switch
    {
        ENOSPC => "the disk is full",
        EDQUOT => "the disk quota is exceeded",
        EFBIG => "the file has reached the maximum size",
        EISDIR => "it is a directory",
        ENOENT when Directory.Exists(Path.GetDirectoryName(path)) => "it is a link to a directory that does not exist",
        ENOENT => $"the directory {Path.GetDirectoryName(path)} does not exist",
        EROFS => "the file system is read-only",
        Libc.EACCES or EPERM => "permission denied",
        ENXIO when FileStatus.Of(path) == FileKind.Socket => "it is a socket",
        ENXIO or Libc.EPIPE => "it has no reader",
        Libc.EAGAIN => "its reader is not reading",
        _ => Libc.ErrorText(errno),
    };

    /// <summary>A deleted file can still be written, but then its disk space stays in use and nobody can read it. If it cannot be
    /// written, the file that now has its name is used: log rotation signals a change (SIGUSR1), freeing disk space does not.</summary>
    private void Look()
    {
        if (_file is null || Environment.TickCount64 - _lookedAt < LookMs) return;
        _lookedAt = Environment.TickCount64;
        if (!_file.IsUnlinked && (!_isStuck || !_file.IsReplaced(path))) return;
        Close();
        _wanted = true;
    }

    private void Close()
    {
        if (_file is null) return;
        _file.Dispose();
        _file = null;
        _isStuck = false;
        if (!_withinLine) return;
        // The rest of a line would be alone in the next file.
        int rest = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n') + 1;
        _start += rest;
        _withinLine = false;
        counters.Lost(Cause ?? AccessLogCause.Other, 1);
    }

    private void MakeRoom(int needed)
    {
        byte[] next = _end - _start + needed <= _buffer.Length ? _buffer : new byte[_end - _start + needed];
        Buffer.BlockCopy(_buffer, _start, next, 0, _end - _start);
        _buffer = next;
        _end -= _start;
        _start = 0;
    }

    private void Fail(int errno)
    {
        var cause = CauseOf(errno);
        counters.Failed(cause);
        if (Cause is null) _lostBefore = counters.AllLost;
        bool isNew = _cause != (int)cause;
        _cause = (int)cause;
        if (!isNew && Environment.TickCount64 - _loggedAt < RepeatLogMs) return;
        _loggedAt = Environment.TickCount64;
        Log.Failing(logger, path, ReasonOf(errno, path), counters.AllLost - _lostBefore);
    }

    private void Heal()
    {
        if (Cause is null) return;
        Log.Healed(logger, path, counters.AllLost - _lostBefore);
        _cause = -1;
    }

    private static partial class Log
    {
        [LoggerMessage(2401, LogLevel.Error, "the access log {Path} cannot be written: {Reason}; retrying every second, lines wait while there is room for them, {Lost} are lost")]
        public static partial void Failing(ILogger logger, string path, string reason, long lost);

        [LoggerMessage(2402, LogLevel.Warning, "the access log {Path} can be written again; {Lost} lines were lost")]
        public static partial void Healed(ILogger logger, string path, long lost);

        [LoggerMessage(2403, LogLevel.Warning, "the access log {Path} ends with {Lines} lines that could not be written")]
        public static partial void Lost(ILogger logger, string path, int lines);
    }
}
