using System.CommandLine;
using ActorLb.Configuration.Effective;

namespace ActorLb.Server.Commands;

internal static class ShowConfigCommand
{
    public static Command Create()
    {
        var command = new Command("show-config", "Print the effective configuration of a file: every key, with secrets masked. pbm config show also has what operators added at run time.");
        var file = ConfigurationFile.AddTo(command);
        command.SetAction(result =>
        {
            if (ConfigurationFile.Load(file(result), pipes: true) is not { } options) return 1;
            Console.Write(EffectiveConfiguration.Render(options));
            return 0;
        });
        return command;
    }
}
