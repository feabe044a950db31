using System.CommandLine;
using ActorLb.Server.Bench;

namespace ActorLb.Server.Commands;

/// <summary><c>actorlb bench</c>: load tests for a balancer or broker.</summary>
internal static class BenchCommand
{
    private const int UsageError = 2;

    public static Command Create() => new("bench", "Put load on a balancer or broker") { BenchConnCommand.Create(), BenchPubCommand.Create() };

    /// <summary>Runs a bench so that Ctrl-C ends it with its results, and a failure outside the clients is one clear line.</summary>
    public static async Task<int> GuardAsync(ParseResult parsed, Func<CancellationToken, Task<int>> run, CancellationToken cancel)
    {
        // Each client represents another device, so none may resume another's TLS session.
        AppContext.SetSwitch("System.Net.Security.DisableTlsResume", true);
        using var interruption = new Interruption();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interruption.Token, cancel);
        try
        {
            return await run(either.Token);
        }
        catch (BenchFailure failure)
        {
            await parsed.InvocationConfiguration.Error.WriteLineAsync("actorlb bench: " + failure.Message);
            return UsageError;
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            return 1; // before there was anything to report
        }
    }
}
