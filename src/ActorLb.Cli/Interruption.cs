using System.Runtime.InteropServices;

namespace ActorLb.Cli;

/// <summary>Makes Ctrl-C cancel the running command. Between two commands there is nothing to cancel, and the next command is not
/// affected. SIGTERM ends the program.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly PosixSignalRegistration _interrupt;

    /// <summary>Of the running command; null between commands. Replaced by the prompt, read by the signal's thread.</summary>
    private volatile CancellationTokenSource? _command;

    public Interruption() => _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = Interrupt());

    /// <summary>A token for a new command.</summary>
    public CancellationToken Begin()
    {
        var command = new CancellationTokenSource();
        _command = command;
        return command.Token;
    }

    /// <summary>The command has ended.</summary>
    public void End() => _command = null;

    /// <returns>False when the program must end: the second Ctrl-C ends a command that ignores the first.</returns>
    public bool Interrupt()
    {
        if (_command is not { } command) return true;
        if (command.IsCancellationRequested) return false;
        command.Cancel();
        return true;
    }

    public void Dispose() => _interrupt.Dispose();
}
