using System.Runtime.InteropServices;

namespace ActorLb.Testing.Processes;

/// <summary>Named pipes, mkfifo(3).</summary>
internal static partial class Fifo
{
    public static string Make(string path)
    {
        if (mkfifo(path, 0x1B6) != 0) throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
        return path;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int mkfifo(string path, uint mode);
}
