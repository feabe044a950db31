using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

internal static class RunCommand
{
    public static Command Create()
    {
        var command = new Command("run", "Run a node until it is stopped.");
        Func<ParseResult, string> file = ConfigurationFile.AddTo(command);
        command.SetAction(async (result, _) =>
        {
            // Before the configuration is read, which may take a while.
            OtherSignals.Ignore();
            string path = file(result);
            return ConfigurationFile.LoadWithFiles(path) is { } options ? await new NodeHost(path, options).RunAsync() : 1;
        });
        return command;
    }
}
