using System.Runtime.InteropServices;

namespace ActorLb.Cli;

/// <summary>Turns Ctrl-C into the end of the command that runs; at the prompt the next command has a token of its own. SIGTERM ends
/// the program.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly PosixSignalRegistration _interrupt;
    private volatile CancellationTokenSource _current = new();

    public Interruption()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            // A command that does not heed the first is ended by the second.
            if (_current.IsCancellationRequested) return;
            context.Cancel = true;
            _current.Cancel();
        });
    }

    public CancellationToken Token => _current.Token;

    /// <summary>A token for the next command.</summary>
    public CancellationToken Renew()
    {
        if (_current.IsCancellationRequested) _current = new CancellationTokenSource();
        return _current.Token;
    }

    public void Dispose() => _interrupt.Dispose();
}
