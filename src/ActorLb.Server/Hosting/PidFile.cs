using System.Globalization;
using System.Runtime.CompilerServices;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol.Failures;
using Microsoft.Win32.SafeHandles;

namespace ActorLb.Server.Hosting;

/// <summary>
/// The file that records which process runs a configuration. The node holds it open and locked (flock(2)), so that a stale file of a
/// dead node can be distinguished from a running one's and two nodes never share one.
/// </summary>
internal sealed class PidFile : IDisposable
{
    private readonly FileStream _file;

    private PidFile(string path, FileStream file)
    {
        Path = path;
        _file = file;
    }

    public string Path { get; }

    /// <summary>The open file; a child process that has it too shares the lock.</summary>
    public int Descriptor => (int)_file.SafeFileHandle.DangerousGetHandle();

    /// <summary>Takes over a file, with its lock, from the previous process.</summary>
    public static PidFile Adopt(string path, int descriptor)
    {
        var adopted = new PidFile(path, new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite));
        adopted.Write();
        return adopted;
    }

    /// <exception cref="IOException">Another node holds it, or it cannot be written; the message names the file.</exception>
    public static PidFile Take(string path)
    {
        FileStream file;
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
            if (FileStatus.Of(path) is not FileKind.Missing) InputFile.Demand(path);
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (Running(path) is { } pid)
        {
            throw new IOException($"pid-file {path}: a node with process id {pid} is already running", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"pid-file {path}: {FileFailure.DescribeMaking(e, path)}", e);
        }
        var taken = new PidFile(path, file);
        try
        {
            taken.Write();
            return taken;
        }
        catch (IOException e)
        {
            taken.Dispose();
            throw new IOException($"pid-file {path}: {FileFailure.DescribeMaking(e, path)}", e);
        }
    }

    /// <summary>Writes this process's id. In place of the old one, not behind an empty file: a full disk may not give back what it got.</summary>
    public void Write()
    {
        byte[] line = System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
        RandomAccess.Write(_file.SafeFileHandle, line, 0);
        RandomAccess.SetLength(_file.SafeFileHandle, line.Length);
    }

    /// <summary>Leaves the file and its lock to the process that shares it: closing it the runtime's way would release the lock for
    /// both.</summary>
    public void Leave()
    {
        int descriptor = Descriptor;
        _file.SafeFileHandle.SetHandleAsInvalid();
        GC.SuppressFinalize(_file);
        LentDescriptors.Close(descriptor);
    }

    /// <summary>The process id of the node that holds the file; null when none runs.</summary>
    public static int? Running(string path)
    {
        // The lock is advisory, so reading works. For a moment the rest of a longer id may follow.
        if (!int.TryParse(UnlockedFile.ReadAscii(path)?.Split('\n')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int pid)) return null;
        return IsNode(pid) && Holds(pid, path) ? pid : null;
    }

    public void Dispose()
    {
        try
        {
            File.Delete(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A stale file is detected later.
        }
        _file.Dispose();
    }

    /// <summary>Whether the process has the file open, as a node always does with its own: otherwise it could be another file's
    /// node.</summary>
    private static bool Holds(int pid, string path)
    {
        if (RealPath(path) is not { } real) return false;
        try
        {
            return new DirectoryInfo($"/proc/{pid}/fd").EnumerateFileSystemInfos().Any(open => open.LinkTarget == real);
        }
        catch (UnauthorizedAccessException)
        {
            return true; // another user's, or with capabilities: its open files are hidden, and signalling it may be refused as well
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string? RealPath(string path)
    {
        if (FileStatus.Of(path) != FileKind.Regular) return null;
        return Libc.IsAvailable ? Resolve(path) : System.IO.Path.GetFullPath(path);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string? Resolve(string path)
    {
        const int O_RDONLY = 0, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000; // asm-generic/fcntl.h
        int fd = Libc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) return null;
        string? real = new FileInfo($"/proc/self/fd/{fd}").LinkTarget;
        Libc.close(fd);
        return real;
    }

    /// <summary>Whether the process is this program running a node, since process ids are reused.</summary>
    private static bool IsNode(int pid)
    {
        try
        {
            string[] arguments = File.ReadAllText($"/proc/{pid}/cmdline").Split('\0', StringSplitOptions.RemoveEmptyEntries);
            int program = Array.FindIndex(arguments, a => System.IO.Path.GetFileName(a) is "actorlb" or "actorlb.dll");
            // Started through a link with another name, only its executable shows it.
            if (program < 0 && System.IO.Path.GetFileName(new FileInfo($"/proc/{pid}/exe").LinkTarget) == "actorlb") program = 0;
            return program >= 0 && arguments.Skip(program + 1).Contains("run");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
