using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ActorLb.Testing.Processes;

/// <summary>
/// A child process in a process group of its own, with its output kept. Disposal ends the whole group by its id; should the
/// test process die first, <see cref="ProcessReaper"/> does.
/// </summary>
internal sealed class ProcessHost : IAsyncDisposable
{
    public const int SigHup = 1;
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public const int SigCont = 18;
    public const int SigStop = 19;

    // A child that outlives its parent may hold the pipes open.
    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(3);

    private readonly Process _process;
    private readonly ProcessOutput _output;
    private bool _disposed;

    private ProcessHost(Process process, ProcessOutput output)
    {
        _process = process;
        _output = output;
    }

    /// <summary>The process id, which is the id of its group too.</summary>
    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>Standard output and standard error so far, line by line as they came.</summary>
    public IReadOnlyList<string> Lines => _output.Snapshot();

    public string Output => string.Join('\n', Lines);

    public StreamWriter Input => _process.StandardInput;

    public static ProcessHost Start(
        string program, IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null, string? workingDirectory = null)
    {
        // setsid replaces itself by the program, so the id is the program's and leads its own group.
        var start = new ProcessStartInfo("setsid")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = workingDirectory ?? "",
        };
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>(StringComparer.Ordinal))
            start.Environment[name] = value;

        var output = new ProcessOutput(program);
        var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, e) => output.Add(e.Data);
        process.ErrorDataReceived += (_, e) => output.Add(e.Data);
        if (!process.Start())
            throw new InvalidOperationException($"{program} did not start.");
        ProcessReaper.Watch(process.Id);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new ProcessHost(process, output);
    }

    /// <summary>The first line, from number <paramref name="from"/> on, that fits; waits for it to come.</summary>
    /// <exception cref="ProcessEndedException">Output ended without such a line.</exception>
    /// <exception cref="TimeoutException">No such line in time; the message holds the output.</exception>
    public async Task<string> WaitForLineAsync(Func<string, bool> fits, TimeSpan? timeout = null, int from = 0)
    {
        try
        {
            return await _output.WaitAsync(fits, from).WaitAsync(timeout ?? Wait.Patience);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"No such line of {_output.Program} in time. Its output:\n{Output}", e);
        }
    }

    public Task<string> WaitForLineAsync(string part, TimeSpan? timeout = null) =>
        WaitForLineAsync(line => line.Contains(part, StringComparison.Ordinal), timeout);

    /// <summary>Waits until something accepts connections at the address.</summary>
    public Task WaitForPortAsync(IPEndPoint endPoint) => WaitUntilAsync(async () =>
    {
        using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endPoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    });

    /// <summary>Asks until the answer is yes, the process ends or patience does.</summary>
    public Task WaitUntilAsync(Func<Task<bool>> probe)
    {
        return Wait.UntilAsync(
            async () =>
            {
                if (await probe())
                    return true;
                if (!_process.HasExited)
                    return false;
                await _output.Ended.WaitAsync(OutputGrace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw new ProcessEndedException(_output.Program, _process.ExitCode, Output);
            },
            () => $"{_output.Program} did not become ready in time. Its output:\n{Output}");
    }

    /// <summary>Waits for the end, with all output read, and returns the exit code.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan? timeout = null)
    {
        using var deadline = new CancellationTokenSource(timeout ?? Wait.Patience);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{_output.Program} did not end in time. Its output:\n{Output}", e);
        }

        return _process.ExitCode;
    }

    /// <summary>Sends a signal to the process alone, not to its group.</summary>
    public void Signal(int signal)
    {
        if (!_process.HasExited)
            _ = kill(Id, signal);
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        int group = -Id;
        // A stopped process would not see the termination.
        _ = kill(group, SigTerm);
        _ = kill(group, SigCont);
        await EndedWithinGraceAsync();

        // Children that outlived their parent keep the group alive.
        _ = kill(group, SigKill);
        await EndedWithinGraceAsync();
        ProcessReaper.Forget(-group);
        _process.Dispose();
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task<ProcessResult> RunAsync(
        string program, IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null, TimeSpan? timeout = null)
    {
        await using var host = Start(program, arguments, environment);
        host.Input.Close();
        int code = await host.WaitForExitAsync(timeout);
        return new ProcessResult(code, host.Lines);
    }

    private async Task EndedWithinGraceAsync()
    {
        using var grace = new CancellationTokenSource(OutputGrace);
        try
        {
            await _process.WaitForExitAsync(grace.Token);
        }
        catch (OperationCanceledException)
        {
            // Killed next, or a stranger holds its output: nothing left to wait for.
        }
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int kill(int pid, int signal);
}

internal sealed record ProcessResult(int ExitCode, IReadOnlyList<string> Lines)
{
    public string Output => string.Join('\n', Lines);
}

internal sealed class ProcessEndedException(string program, int? exitCode, string output)
    : Exception($"{program} ended{(exitCode is { } code ? $" with exit code {code}" : "")}. Its output:\n{output}")
{
    public bool IsPortClash { get; } =
        output.Contains("already in use", StringComparison.OrdinalIgnoreCase)
        || output.Contains("eaddrinuse", StringComparison.OrdinalIgnoreCase)
        || output.Contains("cannot bind socket", StringComparison.OrdinalIgnoreCase);
}
