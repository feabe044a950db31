using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ActorLb.Testing.Processes;

/// <summary>A test run that a script started in the background inherits SIGINT and SIGQUIT ignored (POSIX, 2.11), and so would every
/// child that a test interrupts.</summary>
internal static partial class InheritedSignals
{
    private const int SIGINT = 2, SIGQUIT = 3, SIG_DFL = 0; // signal(7)

#pragma warning disable CA2255 // A test library may: every test process loads it before it starts a child.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Restore()
    {
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
    }

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);
}
