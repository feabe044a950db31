using System.CommandLine;
using ActorLb.Protocol.Text;
using ActorLb.Server.Hosting;
using ActorLb.Server.Hosting.Upgrade;

namespace ActorLb.Server.Commands;

internal static class RunCommand
{
    public static Command Create()
    {
        var command = new Command("run", "Run a node until it is stopped.");
        var file = ConfigurationFile.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            // Before the configuration is read, which may take a while.
            OtherSignals.Ignore();
            string path = file(result);
            try
            {
                await using var predecessor = await Predecessor.FindAsync(cancel);
                return ConfigurationFile.LoadWithFiles(path) is { } options ? await new NodeHost(path, options, predecessor).RunAsync() : 1;
            }
            catch (IOException e)
            {
                Console.Error.WriteLine($"error: {SafeText.OfMessage(e.Message)}");
                return 1;
            }
        });
        return command;
    }
}
