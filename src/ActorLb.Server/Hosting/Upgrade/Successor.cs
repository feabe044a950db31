using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using ActorLb.Hosting;
using ActorLb.Native;
using ActorLb.Protocol.Failures;
using ActorLb.Proxying.Reactors;
using ActorLb.Sticky.Map;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>The process that is to take over, as seen from this one.</summary>
internal sealed class Successor : IAsyncDisposable
{
    /// <summary>From the end of its pipe to its own.</summary>
    private static readonly TimeSpan ExitPatience = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly UpgradeChannel _channel;
    private readonly UpgradeOffer _offer;

    private Successor(Process process, UpgradeChannel channel, UpgradeOffer offer)
    {
        _process = process;
        _channel = channel;
        _offer = offer;
    }

    public int Pid => _process.Id;

    /// <summary>Starts it with copies of this process's listening sockets and pid-file.</summary>
    /// <param name="command">The program, and anything before its arguments.</param>
    /// <param name="configuration">The file to run with.</param>
    /// <exception cref="IOException">It cannot be started.</exception>
    public static async Task<Successor> StartAsync(
        string[] command, string configuration, PidFile? pidFile, byte[] stickyKey, IEnumerable<InheritedListener> lent)
    {
        var toIt = new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.Inheritable);
        var fromIt = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.Inheritable);
        var channel = new UpgradeChannel(fromIt, toIt);
        int pidDescriptor = -1;
        Process? process = null;
        try
        {
            if (pidFile is not null) pidDescriptor = LentDescriptors.Lend(pidFile.Descriptor);
            var start = new ProcessStartInfo(command[0]) { UseShellExecute = false };
            foreach (string word in (string[])[.. command[1..], "run", "-c", configuration]) start.ArgumentList.Add(word);
            start.Environment[Predecessor.Variable] = $"{toIt.GetClientHandleAsString()} {fromIt.GetClientHandleAsString()}";
            process = Process.Start(start) ?? throw new IOException($"cannot start {command[0]}");
            toIt.DisposeLocalCopyOfClientHandle();
            fromIt.DisposeLocalCopyOfClientHandle();
            // Other child processes have no use for them.
            foreach (int fd in lent.SelectMany(l => l.Descriptors)) LentDescriptors.Keep(fd);
            return new Successor(process, channel, new UpgradeOffer(UpgradeOffer.CurrentVersion, pidFile?.Path, pidDescriptor, stickyKey));
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            process?.Dispose();
            await channel.DisposeAsync();
            throw new IOException($"cannot start {command[0]}: {FailureText.Describe(e)}", e);
        }
        finally
        {
            if (pidDescriptor >= 0) Tcp.Close(pidDescriptor);
        }
    }

    /// <summary>Waits until it is ready to take over.</summary>
    /// <exception cref="IOException">It has failed, or exited.</exception>
    public Task WhenPreparedAsync(CancellationToken cancel) => SpeakAsync(UpgradeStep.Prepared, async () =>
    {
        await _channel.SendAsync(_offer, UpgradeJson.Default.UpgradeOffer, cancel);
        await WhenAsync(UpgradeStep.Prepared, cancel);
    }, cancel);

    /// <summary>Tells it that no more clients are accepted here, and waits until it serves.</summary>
    /// <exception cref="IOException">It has failed, or exited.</exception>
    public Task WhenServingAsync(NodeLegacy legacy, IEnumerable<MapEntry[]> entries, CancellationToken cancel) => SpeakAsync(UpgradeStep.Serving, async () =>
    {
        OfferedListener[] listeners = [.. legacy.Listeners.Select(l => new OfferedListener(l.Name, l.Bind.ToString(), l.Bound.ToString(), l.Descriptors))];
        await _channel.SendAsync(new UpgradeLegacy(listeners, [.. legacy.Paused], [.. legacy.Backends]), UpgradeJson.Default.UpgradeLegacy, cancel);
        await _channel.SendEntriesAsync(entries, cancel);
        await WhenAsync(UpgradeStep.Serving, cancel);
    }, cancel);

    /// <summary>Ends it: it did not take over.</summary>
    public async Task EndAsync()
    {
        try
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        catch (InvalidOperationException)
        {
            // It has already exited.
        }
    }

    private async Task WhenAsync(string step, CancellationToken cancel)
    {
        var said = await _channel.ReceiveAsync(UpgradeJson.Default.UpgradeStep, cancel);
        if (said.Failure is { } failure) throw new UpgradeRefusedException(failure);
        if (said.Step != step) throw new UpgradeRefusedException($"the new process sent '{said.Step}' instead of '{step}'");
    }

    /// <summary>A broken pipe only means that the other end is gone; a message that cannot be understood does not end the process.</summary>
    private async Task SpeakAsync(string step, Func<Task> speak, CancellationToken cancel)
    {
        try
        {
            await speak();
        }
        catch (IOException e) when (e is not UpgradeRefusedException)
        {
            if (!await HasEndedAsync(cancel)) throw new IOException($"the new process (pid {Pid}) could not be talked to before it was {step}: {e.Message}", e);
            throw new IOException($"the new process (pid {Pid}) has ended with exit code {_process.ExitCode} before it was {step}; see its own log lines", e);
        }
    }

    /// <summary>Whether it ends within a moment.</summary>
    private async Task<bool> HasEndedAsync(CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(ExitPatience);
        try
        {
            await _process.WaitForExitAsync(patience.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        _process.Dispose();
    }
}

/// <summary>The other process has reported why it cannot continue.</summary>
internal sealed class UpgradeRefusedException(string message) : IOException(message);
