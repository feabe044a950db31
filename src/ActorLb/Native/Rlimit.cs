using System.Runtime.CompilerServices;

namespace ActorLb.Native;

internal static unsafe class Rlimit
{
    private const int RLIMIT_NOFILE = 7; // asm-generic/resource.h

    /// <summary>How many files this process may hold open, where there is a limit that can be asked; the runtime has raised the soft one to the
    /// hard one at its start.</summary>
    public static long OpenFiles => Libc.IsAvailable ? Ask() : int.MaxValue;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Ask()
    {
        ulong* limits = stackalloc ulong[2];
        return Libc.getrlimit(RLIMIT_NOFILE, limits) == 0 ? (long)Math.Min(limits[0], long.MaxValue) : long.MaxValue;
    }
}
