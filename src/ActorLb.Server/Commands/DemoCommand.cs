using System.CommandLine;
using ActorLb.Server.Bench;
using ActorLb.Server.Demo;

namespace ActorLb.Server.Commands;

/// <summary><c>actorlb demo</c>: shows the balancer at work, with nothing but this program.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var command = new Command("demo", "Run three MQTT brokers, a balancer and clients in this process, on 127.0.0.1, and show where the clients go.");
        var clients = new Option<int>("--clients", "-c") { Description = "Number of clients", DefaultValueFactory = _ => 10 };
        var once = new Option<bool>("--once") { Description = "Exit after showing the result, with code 0 if the clients spread evenly. Without it, the demo runs until Ctrl-C" };
        BenchTargetOptions.Between(clients, 1, 1000);
        command.Add(clients);
        command.Add(once);
        command.SetAction((parsed, cancel) => RunAsync(parsed, parsed.GetValue(clients), parsed.GetValue(once), cancel));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, int clients, bool once, CancellationToken cancel)
    {
        using var interruption = new Interruption();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interruption.Token, cancel);
        try
        {
            return await new DemoRun(clients, once, DemoScreen.ForProcess(), TimeProvider.System).RunAsync(stop.Token);
        }
        catch (DemoFailure failure)
        {
            foreach (string line in failure.Message.Split('\n')) await parsed.InvocationConfiguration.Error.WriteLineAsync("actorlb demo: " + line);
            return 1;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 1; // before there was anything to show
        }
    }
}
