using System.CommandLine;
using ActorLb.Configuration;

namespace ActorLb.Server.Commands;

internal static class ShowConfigCommand
{
    public static Command Create()
    {
        Option<string> file = ConfigurationFile.Option();
        var command = new Command("show-config", "Print the effective configuration: every key, secrets masked.") { file };
        command.SetAction(result =>
        {
            if (ConfigurationFile.Load(result.GetValue(file)!, pipes: true) is not { } options) return 1;
            Console.Write(EffectiveConfiguration.Render(options));
            return 0;
        });
        return command;
    }
}
