using System.Runtime.InteropServices;

namespace ActorLb.Cli;

/// <summary>Turns Ctrl-C into the end of the command that runs. Between two commands there is nothing to end, and the next one is not
/// touched. SIGTERM ends the program.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly PosixSignalRegistration _interrupt;

    /// <summary>Of the command that runs; null between commands. Replaced by the prompt, read by the signal's thread.</summary>
    private volatile CancellationTokenSource? _command;

    public Interruption() => _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = Interrupt());

    /// <summary>A token for the command that begins.</summary>
    public CancellationToken Begin()
    {
        var command = new CancellationTokenSource();
        _command = command;
        return command.Token;
    }

    /// <summary>No command runs any more.</summary>
    public void End() => _command = null;

    /// <returns>False when the program is to end: a command that does not heed the first Ctrl-C is ended by the second.</returns>
    public bool Interrupt()
    {
        if (_command is not { } command) return true;
        if (command.IsCancellationRequested) return false;
        command.Cancel();
        return true;
    }

    public void Dispose() => _interrupt.Dispose();
}
