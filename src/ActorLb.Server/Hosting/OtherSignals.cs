using System.Runtime.CompilerServices;
using ActorLb.Native;

namespace ActorLb.Server.Hosting;

/// <summary>
/// Signals that mean nothing to a node and would silently end it: sent by mistake, by a script for another program, or because of a file
/// size limit, which the failed write itself reports (EFBIG). They are ignored.
/// </summary>
internal static class OtherSignals
{
    private const int SIG_DFL = 0, SIG_IGN = 1; // signal(2)

    // signal(7): SIGUSR2 (until the node handles it), SIGPIPE, SIGALRM, SIGSTKFLT, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR
    private static readonly int[] Numbers = [12, 13, 14, 16, 25, 26, 27, 29, 30];

    // The runtime uses SIGRTMIN (34) itself, glibc the two below it.
    private const int FirstRealTime = 35, LastRealTime = 64;

    public static void Ignore()
    {
        if (Libc.IsAvailable) IgnoreAll();
    }

    /// <summary>Restores a signal's default action, even if the parent process had it ignored.</summary>
    public static void SetDefault(params ReadOnlySpan<int> numbers)
    {
        if (!Libc.IsAvailable) return;
        foreach (int number in numbers) Set(number, SIG_DFL);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Set(int number, int handler) => Libc.signal(number, handler);

    private static void IgnoreAll()
    {
        foreach (int number in Numbers) Set(number, SIG_IGN);
        for (int number = FirstRealTime; number <= LastRealTime; number++) Set(number, SIG_IGN);
    }
}
