using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Server.Commands;

/// <summary>The examples below each command's help. A test runs all of them through the parser.</summary>
internal static class Examples
{
    private static readonly Dictionary<string, string[]> ByCommand = new(StringComparer.Ordinal)
    {
        ["run"] = ["actorlb run", "actorlb run -c /etc/actorlb/actorlb.conf"],
        ["check"] = ["actorlb check /etc/actorlb/actorlb.conf", "actorlb check --portable /dev/stdin"],
        ["reload"] = ["actorlb reload -c /etc/actorlb/actorlb.conf"],
        ["stop"] = ["actorlb stop", "actorlb stop --now"],
        ["upgrade"] = ["actorlb upgrade -c /etc/actorlb/actorlb.conf"],
        ["show-config"] = ["actorlb show-config /etc/actorlb/actorlb.conf"],
        ["import nginx"] = ["actorlb import nginx /etc/nginx/nginx.conf -o actorlb.conf"],
        ["import haproxy"] = ["actorlb import haproxy /etc/haproxy/haproxy.cfg -o actorlb.conf"],
        ["bench conn"] = ["actorlb bench conn -h lb-1 -p 1883 -c 10000 -i 1"],
        ["bench pub"] = ["actorlb bench pub -h lb-1 -c 100 -t bench/%c -s 256 -q 1 --rate 5000 --sub"],
        ["demo"] = ["actorlb demo --clients 30"],
        ["completion"] = ["actorlb completion zsh"],
    };

    /// <param name="command">Its path, such as "bench conn".</param>
    public static string[] Of(string command) => ByCommand.GetValueOrDefault(command) ?? [];

    /// <summary>The path of a command, without the program's name.</summary>
    public static string PathOf(Command command) => string.Join(' ', WordsOf(command));

    private static IEnumerable<string> WordsOf(Command command) => command.Parents.OfType<Command>().FirstOrDefault() is { } parent
        ? WordsOf(parent).Append(command.Name) : [];

    /// <summary>Prints the library's help, followed by the examples.</summary>
    internal sealed class Help(HelpAction help) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int code = help.Invoke(parseResult);
            ExamplesText.Write(parseResult.InvocationConfiguration.Output, Of(PathOf(parseResult.CommandResult.Command)));
            return code;
        }
    }
}
