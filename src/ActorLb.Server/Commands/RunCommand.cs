using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Commands;

internal static class RunCommand
{
    public static Command Create()
    {
        Option<string> file = ConfigurationFile.Option();
        var command = new Command("run", "Run a node until it is stopped.") { file };
        command.SetAction(async (result, _) =>
        {
            // Before the configuration is read, which may take a while.
            OtherSignals.Ignore();
            string path = result.GetValue(file)!;
            return ConfigurationFile.LoadWithFiles(path) is { } options ? await new NodeHost(path, options).RunAsync() : 1;
        });
        return command;
    }
}
